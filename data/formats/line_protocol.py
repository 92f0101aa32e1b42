r"""Reads InfluxDB's line protocol as one table of series, time and value.

A line is `measurement,tag=value field=1.5,other=3i 1700000000000000000`. A series is called `measurement/field`, and
after it the tags by name, as in annotated CSV. Fields of text and of true or false are left out. The stamps of a file
are seconds, milli-, micro- or nanoseconds since 1970, by the size of the first.
"""

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import polars as pl

from data.errors import InvalidInput
from data.formats.batches import NOT_UTF8, ROW
from data.formats.dialect import Dialect, Recognised
from data.formats.influx_csv import ROWS_AT_ONCE, TIME, VALUE
from data.schema import SERIES

WORD = r"(?:\\.|[^\\ ,=])+"
TEXT = r'"(?:\\.|[^"\\])*"'
TAG = rf",({WORD})=({WORD})"
FIELD = rf"({WORD})=({TEXT}|[^ ,\"]+)"
FIELDS = rf"{WORD}=(?:{TEXT}|[^ ,\"]+)"
LINE = rf"^({WORD}(?:,{WORD}={WORD})*) +({FIELDS}(?:,{FIELDS})*)(?: +(-?\d+))?$"
NUMBER = r"^[+-]?(\d+[iu]|(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?)$"
FORM = "measurement,tag=value field=1.5 1700000000000000000"
KEY, NAME, STAMP = "key", "field", "stamp"  # columns: measurement and tags, a field, its time as it is written


class StampUnit(NamedTuple):
    """What the stamps of a file count since 1970."""

    limit: int  # they are below it
    word: str
    factor: int  # µs of one
    divisor: int


UNITS = (
    StampUnit(10**11, "s", 1_000_000, 1),
    StampUnit(10**14, "ms", 1_000, 1),
    StampUnit(10**17, "us", 1, 1),
    StampUnit(2**63 - 1, "ns", 1, 1_000),
)


def is_line_protocol(lines: list[str]) -> bool:
    """Whether a file that begins with these lines is line protocol: its first line has series, fields and a stamp."""
    first = next((line.strip() for line in lines if line.strip() and not line.startswith("#")), "")
    match = re.match(LINE, first)
    return bool(match and match[3])


def read_line_protocol(path: Path, name: str, dialect: Dialect, found: Recognised) -> Iterator[pl.DataFrame]:
    """The numbers of all lines. Raises InvalidInput, which names the line."""
    found.note("line protocol of InfluxDB")
    unit: StampUnit | None = None
    with path.open("rb") as file:
        numbered = enumerate(file, start=1)
        while part := list(islice(numbered, ROWS_AT_ONCE)):
            lines = [(row, _decoded(line, row, name)) for row, line in part if not dialect.skips(row)]
            fields = _fields(_split(lines, name))
            if fields.is_empty():
                continue
            unit = unit or _unit_of(int(fields[STAMP][0]), found)
            if (large := fields[STAMP].abs() >= unit.limit).any():
                row = fields[ROW][int(large.arg_max() or 0)]
                raise InvalidInput(f"the stamp is not in {unit.word} like those before it", source=name, row=row)
            yield _numbers(fields, unit, found)


def _decoded(line: bytes, row: int, name: str) -> str:
    try:
        return line.decode("utf-8-sig" if row == 1 else "utf-8").strip()
    except UnicodeDecodeError:
        raise InvalidInput(NOT_UTF8, source=name, row=row) from None


def _split(lines: list[tuple[int, str]], name: str) -> pl.DataFrame:
    """Key, fields and stamp of each line that is neither blank nor a comment. Raises InvalidInput for a wrong line."""
    frame = pl.DataFrame(lines, schema={ROW: pl.UInt32, "line": pl.String}, orient="row")
    frame = frame.filter((pl.col("line") != "") & ~pl.col("line").str.starts_with("#"))
    split = frame.select(ROW, pl.col("line").str.extract_groups(LINE).struct.rename_fields([KEY, NAME, "text"]))
    split = split.unnest("line").with_columns(pl.col("text").cast(pl.Int64, strict=False).alias(STAMP))
    for wrong, words in (
        (split[KEY].is_null(), f"the line is not line protocol; write it as {FORM}"),
        (split["text"].is_null(), "the line has no time; write its stamp at its end"),
        (split[STAMP].is_null(), "the stamp is too large to be a time"),
    ):
        if wrong.any():
            raise InvalidInput(words, source=name, row=split[ROW][int(wrong.arg_max() or 0)])
    return split.drop("text")


def _fields(lines: pl.DataFrame) -> pl.DataFrame:
    """A row for each field of the lines, with its value as it is written."""
    each = lines.with_columns(pl.col(NAME).str.extract_all(FIELD)).explode(NAME)
    names = pl.col(NAME).str.extract_groups(FIELD).struct.rename_fields(["name", VALUE])
    return each.with_columns(names.alias(NAME)).unnest(NAME).rename({"name": NAME})


def _numbers(fields: pl.DataFrame, unit: StampUnit, found: Recognised) -> pl.DataFrame:
    """The table of the fields that are numbers. The others are noted."""
    is_number = pl.col(VALUE).str.contains(NUMBER)
    for field in fields.filter(~is_number)[NAME].unique().sort():
        found.note(f"left out the field {_plain(field)}, which is no number")
    numbers = fields.filter(is_number)
    keys = numbers.select(KEY, NAME).unique()
    series = pl.Series(SERIES, [_series_of(key, field) for key, field in keys.iter_rows()], pl.String)
    return numbers.join(keys.with_columns(series), on=[KEY, NAME], how="left", maintain_order="left").select(
        ROW,
        (pl.col(STAMP) * unit.factor // unit.divisor).cast(pl.Datetime("us", "UTC")).alias(TIME),
        SERIES,
        pl.col(VALUE).str.strip_chars_end("iu").cast(pl.Float64),
    )


def _unit_of(stamp: int, found: Recognised) -> StampUnit:
    unit = next((unit for unit in UNITS if abs(stamp) < unit.limit), UNITS[-1])
    if unit.word != "ns":
        found.note(f"stamps in {unit.word}")
    return unit


def _series_of(key: str, field: str) -> str:
    tags = sorted(f"{tag}={value}" for tag, value in re.findall(TAG, key))
    measurement = key[: match.start()] if (match := re.search(TAG, key)) else key
    return "/".join(_plain(part) for part in (measurement, field, *tags))


def _plain(word: str) -> str:
    return re.sub(r"\\([,= \\])", r"\1", word)
