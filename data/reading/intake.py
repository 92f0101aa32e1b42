"""Turns batches of a source's columns into typed rows, collected by series: `unique_id, ds, y`, covariates, `split`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from data.errors import InvalidInput
from data.formats.batches import ROW
from data.formats.source_table import SourceTable, stem_of
from data.reading.columns import Roles, check_split, choose_roles, numbers_of
from data.reading.memory import SourceMemory
from data.reading.options import SourceOptions
from data.reading.remembered import recall_columns, recall_format
from data.reading.series_ids import SeriesIds, checked_id
from data.reading.times import first_stamp, read_times
from data.schema import LARGEST_VALUE, SERIES, SPLIT, TIME, VALUE
from data.spill import Spill

TEXT = "__text "  # prefix of a column that is not used, as hashes: it may name the series
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

    def __init__(
        self,
        options: SourceOptions,
        folder: Path | None,
        target: str | None = None,
        memory: SourceMemory | None = None,
    ):
        """`target`: the dataset's name of its values; `memory`: what it remembers of its sources. Both count where the
        options name no column."""
        self.options, self._target, self._memory = options, target, memory or SourceMemory()
        self._ids = SeriesIds()
        self.rows = Spill(folder)
        self.on_rows: Callable[[int], None] = lambda rows: None  # called after each batch with the rows read so far
        self.read = self.nulls = self.non_finite = 0  # rows; missing values; values that are NaN, infinite or too large
        self.missing = 0  # values that are empty or NaN
        self.latest_value: RowPlace | None = None  # the row with the latest value
        self.roles: Roles | None = None  # of the first table
        self.dtype: pl.DataType | None = None  # type of the times
        self.pieces: list[str] = []  # names of the tables read, in their order
        self.columns: tuple[str, ...] = ()  # of the first table, in its order
        self.samples: dict[str, str] = {}  # the first value of columns of text that are not used
        self.units: dict[str, None] = {}  # that the rows state; of many only some
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
        sample = date_format = None
        newest: tuple[int, str] | None = None
        for raw in batches:
            if raw.is_empty():
                continue
            if roles is None:
                roles, numbers = choose_roles(raw, self._options_for(raw, name), name)
                self._add_columns(roles, raw)
                date_format = self.options.date_format or recall_format(raw[roles.time], self._memory.date_format)
            else:
                numbers = numbers_of(raw, roles, name)
                self._failed.update(set(roles.covariates) - set(numbers))
            times = read_times(raw, roles.time, date_format, name, sample)
            sample = first_stamp(raw[roles.time]) if sample is None else sample
            self._check_type(times, roles, name)
            self.rows.add(pl.DataFrame(list(self._columns(raw, roles, numbers, times, name))))
            newest = _newer_of(newest, times, raw[roles.time])
            self.on_rows(self.read)
        return newest[1] if newest else None

    def _options_for(self, raw: pl.DataFrame, name: str) -> SourceOptions:
        names = [column for column in raw.columns if column != ROW]
        return recall_columns(self.options, self._memory, self._target, names, name)

    def _add_columns(self, roles: Roles, raw: pl.DataFrame) -> None:
        """Take over the columns of a table; later ones must have those of the series and the value too."""
        if self.roles is None:
            self.roles, self.columns = roles, tuple(raw.columns)
            self._memory = replace(self._memory, id_columns=roles.ids, target_column=roles.target)
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
        yield self._series_of(raw, roles, name).alias(SERIES)
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
            if raw.schema[column] == pl.String and column.lower() == UNIT_NAME:
                yield raw[column].alias(UNIT)
                self._note_units(raw[column])
            if not raw.schema[column].is_nested():
                yield self._hashed(raw[column]).alias(TEXT + column)

    def _series_of(self, raw: pl.DataFrame, roles: Roles, name: str) -> pl.Series:
        """The series id of every row. Raises InvalidInput for the first that is empty or cannot be stored."""
        if not roles.ids:
            return checked_id(self.options.series or stem_of(name), name, len(raw))
        if self.options.series is not None:
            named = ", ".join(roles.ids)
            raise InvalidInput(f"column {named!r} names the series; leave --series out", source=name)
        return self._ids.joined(raw, roles.ids, name)

    def _hashed(self, values: pl.Series) -> pl.Series:
        """Eight bytes for each value, equal for equal ones: enough to tell which column names the series."""
        texts = values if values.dtype == pl.String else values.cast(pl.String, strict=False)
        if values.name not in self.samples and (first := first_stamp(texts)):
            self.samples[values.name] = first
        return texts.hash()

    def _note_units(self, units: pl.Series) -> None:
        if len(self.units) < 2:
            self.units.update(dict.fromkeys(units.drop_nulls().str.strip_chars().unique().head(2).to_list()))

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


def _finite_values(values: pl.Series) -> pl.Series:
    return values.set(~values.is_between(-LARGEST_VALUE, LARGEST_VALUE).fill_null(True), None)
