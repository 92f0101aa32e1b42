"""Turns batches of a source's columns into typed rows, collected by series: `unique_id, ds, y`, covariates, `split`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from data.errors import InvalidInput
from data.formats.batches import ROW
from data.formats.source_table import SourceTable, stem_of
from data.reading.columns import Roles, check_split, choose_roles, numbers_of
from data.reading.options import SourceOptions
from data.reading.times import first_stamp, read_times
from data.schema import LARGEST_VALUE, SERIES, SPLIT, TIME, VALUE
from data.spill import Spill
from data.store.catalogue import UNIQUE_ID, UNIQUE_ID_RULE

TEXT = "__text "  # prefix of a column of text that may name the series
PIECE = "__piece"  # the place of a row's piece among `Intake.pieces`
UNIT = "__unit"  # the unit that a row states
UNIT_NAME = "unit"  # the source's column of units, in any case


@dataclass(frozen=True)
class RowPlace:
    """Where a row is in its source, and its time as an integer, in whatever zone."""

    time: int
    source: str
    column: str  # of times
    row: int


class Intake:
    """The rows read so far. Times are as in the source: with a zone, without one, or integers."""

    def __init__(self, options: SourceOptions, folder: Path | None, target: str | None = None):
        """`target`: the dataset's column of values, used where a table has it and the options name no other."""
        self.options, self._target = options, target
        self.rows = Spill(folder)
        self.on_rows: Callable[[int], None] = lambda rows: None  # called after each batch with the rows read so far
        self.read = self.nulls = self.non_finite = 0  # rows; missing values; values that are NaN, infinite or too large
        self.missing = 0  # values that are empty or NaN
        self.latest_value: RowPlace | None = None  # the row with the latest value
        self.roles: Roles | None = None  # of the first table
        self.dtype: pl.DataType | None = None  # type of the times
        self.pieces: list[str] = []  # names of the tables read, in their order
        self.low = self.high = 0  # first and last time as integers, in whatever zone
        self._names: dict[str, None] = {}
        self._covariates: dict[str, None] = {}
        self._failed: set[str] = set()

    @property
    def covariates(self) -> tuple[str, ...]:
        """Columns that have only numbers in every table that has them."""
        return tuple(name for name in self._covariates if name not in self._failed)

    @property
    def ignored(self) -> tuple[str, ...]:
        """Columns that are not used."""
        return tuple(name for name in self._names if name not in self.covariates)

    def add(self, table: SourceTable) -> str | None:
        """Read a whole table. Returns its newest time, as it is written there.

        Raises InvalidInput, which names the table, the column and the first wrong row.
        """
        return self.add_batches(table.batches(), table.name)

    def add_batches(self, batches: Iterator[pl.DataFrame], name: str) -> str | None:
        """As `add`, for batches of any origin."""
        roles: Roles | None = None
        self.pieces.append(name)
        sample: str | None = None
        newest: tuple[int, str] | None = None
        for raw in batches:
            if raw.is_empty():
                continue
            if roles is None:
                roles, numbers = choose_roles(raw, self._options_for(raw), name)
                self._add_columns(roles)
            else:
                numbers = numbers_of(raw, roles, name)
                self._failed.update(set(roles.covariates) - set(numbers))
            times = read_times(raw, roles.time, self.options.date_format, name, sample)
            sample = first_stamp(raw[roles.time]) if sample is None else sample
            self._check_type(times, roles, name)
            self.rows.add(pl.DataFrame(list(self._columns(raw, roles, numbers, times, name))))
            newest = _newer_of(newest, times, raw[roles.time])
            self.on_rows(self.read)
        return newest[1] if newest else None

    def _options_for(self, raw: pl.DataFrame) -> SourceOptions:
        usual = self._target if self._target in raw.columns else None
        return replace(self.options, target_col=self.options.target_col or usual)

    def _add_columns(self, roles: Roles) -> None:
        self.roles = self.roles or roles
        self._covariates.update(dict.fromkeys(roles.covariates))
        self._names.update(dict.fromkeys((*roles.covariates, *roles.ignored)))

    def _check_type(self, times: pl.Series, roles: Roles, name: str) -> None:
        if self.dtype is not None and times.dtype != self.dtype:
            raise InvalidInput(
                f"its times are {times.dtype}, those before it {self.dtype}; ingest them separately",
                source=name,
                column=roles.time,
            )
        micros = times.to_physical()
        low, high = int(micros.min()), int(micros.max())  # type: ignore[arg-type]
        first = self.dtype is None
        self.low, self.high = (low, high) if first else (min(self.low, low), max(self.high, high))
        self.dtype = times.dtype

    def _columns(
        self, raw: pl.DataFrame, roles: Roles, numbers: dict[str, pl.Series], times: pl.Series, name: str
    ) -> Iterator[pl.Series]:
        """The typed columns of the long frame, with rows in the order of the source."""
        values = numbers[roles.target]
        finite = _finite_values(values)
        self.read += len(raw)
        self.nulls += values.null_count()
        self.non_finite += finite.null_count() - values.null_count()
        self.missing += values.null_count() + int(values.is_nan().sum())
        self._find_latest_value(raw, roles, finite, times, name)
        yield _ids_of(raw, roles, self.options, name).alias(SERIES)
        yield times.alias(TIME)
        yield finite.alias(VALUE)
        yield raw[ROW].cast(pl.UInt32).alias(ROW)
        yield pl.repeat(len(self.pieces) - 1, len(raw), dtype=pl.UInt16, eager=True).alias(PIECE)
        for covariate in roles.covariates:
            if covariate in numbers and covariate not in self._failed:
                yield _finite_values(numbers[covariate]).alias(covariate)
        if roles.split is not None:
            check_split(raw, name)
            yield raw[SPLIT].alias(SPLIT)
        for column in roles.ignored:
            if raw.schema[column] != pl.String:
                continue
            if column.lower() == UNIT_NAME:
                yield raw[column].alias(UNIT)
            if roles.id is None:
                yield raw[column].alias(TEXT + column)

    def _find_latest_value(
        self, raw: pl.DataFrame, roles: Roles, values: pl.Series, times: pl.Series, name: str
    ) -> None:
        micros = times.to_physical().set(values.is_null(), None)
        index = micros.arg_max()
        if index is not None and (self.latest_value is None or micros[index] > self.latest_value.time):
            self.latest_value = RowPlace(micros[index], name, roles.time, raw[ROW][index])


def _newer_of(newest: tuple[int, str] | None, times: pl.Series, written: pl.Series) -> tuple[int, str]:
    micros = times.to_physical()
    index = int(micros.arg_max() or 0)
    found = (int(micros[index]), str(written[index]))
    return found if newest is None or found[0] >= newest[0] else newest


def _ids_of(raw: pl.DataFrame, roles: Roles, options: SourceOptions, source: str) -> pl.Series:
    """The series id of every row. Raises InvalidInput for the first that is empty or cannot be stored."""
    if roles.id is None:
        ids, place = pl.repeat(options.series or stem_of(source), len(raw), dtype=pl.String, eager=True), "--series"
    elif options.series is not None:
        raise InvalidInput(f"column {roles.id!r} names the series; leave --series out", source=source)
    else:
        ids, place = raw[roles.id].cast(pl.String), roles.id
    distinct = ids.unique()
    if (_not_an_id(distinct)).any():
        raise InvalidInput(
            UNIQUE_ID_RULE,
            source=source,
            column=place,
            row=raw[ROW][int(_not_an_id(ids).arg_max() or 0)] if roles.id else None,
        )
    return ids


def _not_an_id(ids: pl.Series) -> pl.Series:
    return (ids.is_null() | ~ids.str.contains(f"^{UNIQUE_ID}$")).fill_null(True)


def _finite_values(values: pl.Series) -> pl.Series:
    return values.set(~values.is_between(-LARGEST_VALUE, LARGEST_VALUE).fill_null(True), None)
