r"""Reads InfluxDB's line protocol as one table of series, time and value.

A line is `measurement,tag=value field=1.5,other=3i 1700000000000000000`. A series is called `measurement/field`, and
after it the tags by name, as in annotated CSV. Fields of text and of true or false are left out. The stamps of a file
are seconds, milli-, micro- or nanoseconds since 1970, by the size of the first.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from data.errors import InvalidInput
from data.formats.batches import NOT_UTF8, ROW
from data.formats.dialect import Dialect, Recognised
from data.formats.influx_csv import ROWS_AT_ONCE, TIME, VALUE
from data.schema import SERIES

WORD = r"(?:\\.|[^\\ ,=])+"
TEXT = r'"(?:\\.|[^"\\])*"'
LINE = re.compile(
    rf"({WORD}(?:,{WORD}={WORD})*) +({WORD}=(?:{TEXT}|[^ ,\"]+)(?:,{WORD}=(?:{TEXT}|[^ ,\"]+))*)(?: +(-?\d+))? *"
)
TAG = re.compile(rf",({WORD})=({WORD})")
FIELD = re.compile(rf"({WORD})=({TEXT}|[^ ,\"]+)")
NUMBER = re.compile(r"[+-]?(\d+[iu]|(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?)")
UNITS = ((10**11, "s", 1_000_000, 1), (10**14, "ms", 1_000, 1), (10**17, "us", 1, 1), (10**20, "ns", 1, 1_000))
FORM = "measurement,tag=value field=1.5 1700000000000000000"


def is_line_protocol(lines: list[str]) -> bool:
    """Whether a file that begins with these lines is line protocol: its first line has series, fields and a stamp."""
    first = next((line.strip() for line in lines if line.strip() and not line.startswith("#")), "")
    match = LINE.fullmatch(first)
    return bool(match and match[3])


def read_line_protocol(path: Path, name: str, dialect: Dialect, found: Recognised) -> Iterator[pl.DataFrame]:
    """The numbers of all lines. Raises InvalidInput, which names the line."""
    parser = _Parser(name, found)
    found.note("line protocol of InfluxDB")
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not dialect.skips(number):
                parser.add(number, line)
            if len(parser.rows) >= ROWS_AT_ONCE:
                yield parser.table()
    yield parser.table()


class _Parser:
    """Collects the numbers of lines until `table` is called."""

    def __init__(self, name: str, found: Recognised):
        self._name, self._found = name, found
        self._unit: tuple[int, int] | None = None  # µs of a stamp, as a factor and a divisor
        self._series: dict[tuple[str, str], str] = {}  # by series key and field
        self.rows: list[tuple[int, int, str, float]] = []

    def add(self, number: int, line: bytes) -> None:
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
        except UnicodeDecodeError:
            raise InvalidInput(NOT_UTF8, source=self._name, row=number) from None
        if not text or text.startswith("#"):
            return
        match = LINE.fullmatch(text)
        if match is None:
            raise InvalidInput(f"the line is not line protocol; write it as {FORM}", source=self._name, row=number)
        if match[3] is None:
            raise InvalidInput("the line has no time; write its stamp at its end", source=self._name, row=number)
        for field, value in FIELD.findall(match[2]):
            if NUMBER.fullmatch(value):
                series = self._series.get((match[1], field)) or self._name_series(match[1], field)
                self.rows.append((number, int(match[3]), series, float(value.rstrip("iu"))))
            else:
                self._found.note(f"left out the field {_plain(field)}, which is no number")

    def table(self) -> pl.DataFrame:
        """The rows since the last call."""
        schema = {ROW: pl.UInt32, TIME: pl.Int64, SERIES: pl.String, VALUE: pl.Float64}
        rows, self.rows = self.rows, []
        try:
            table = pl.DataFrame(rows, schema=schema, orient="row")
        except (pl.exceptions.PolarsError, OverflowError):
            raise InvalidInput("a stamp is too large to be a time", source=self._name) from None
        if rows and self._unit is None:
            self._unit = self._unit_of(rows[0])
        factor, divisor = self._unit or (1, 1)
        return table.with_columns((pl.col(TIME) * factor // divisor).cast(pl.Datetime("us", "UTC")))

    def _unit_of(self, row: tuple[int, int, str, float]) -> tuple[int, int]:
        for limit, word, factor, divisor in UNITS:
            if abs(row[1]) < limit:
                if word != "ns":
                    self._found.note(f"stamps in {word}")
                return factor, divisor
        raise InvalidInput("the stamp is too large to be a time", source=self._name, row=row[0])

    def _name_series(self, key: str, field: str) -> str:
        measurement = key[: tags.start()] if (tags := TAG.search(key)) else key
        parts = [_plain(measurement), _plain(field), *sorted(_plain(f"{k}={v}") for k, v in TAG.findall(key))]
        return self._series.setdefault((key, field), "/".join(parts))


def _plain(word: str) -> str:
    return re.sub(r"\\([,= \\])", r"\1", word)
