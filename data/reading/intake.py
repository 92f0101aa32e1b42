"""Turns batches of a source's columns into typed rows, collected by series: `unique_id, ds, y`, covariates, `split`."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import polars as pl

from data.errors import InvalidInput
from data.formats.batches import ROW
from data.formats.dialect import Recognised
from data.formats.options import SourceOptions
from data.formats.source_table import SourceTable, stem_of
from data.reading.columns import Roles, check_split, choose_roles, numbers_of
from data.reading.extent import Extent, RowPlace
from data.reading.memory import SourceMemory
from data.reading.numbers import NumberReader
from data.reading.prepare import Preparation
from data.reading.remembered import recall_columns, recall_present
from data.reading.series_ids import SeriesIds, checked_id
from data.reading.symbols import SymbolReader, choose_symbol_roles
from data.schema import LARGEST_VALUE, SERIES, SPLIT, SYMBOLS, TIME, VALUE, TimeKind
from data.spill import Spill, Where
from data.times.time_columns import second_time_column
from data.times.times import ReadTimes, TimeReader
from data.times.zones import now_like

TEXT = "__text "  # prefix of a column that is not used, as hashes: it may name the series
PIECE = "__piece"  # the place of a row's piece among `Intake.pieces`
UNIT = "__unit"  # the unit that a row states
UNIT_NAME = "unit"  # the source's column of units, in any case
MONTH_FIRST = "__month_first"  # the row's other time, where its date may have the month first; null: the same


class Intake:
    """The rows read so far. Times are as in the source: with a zone, without one, or integers."""

    def __init__(
        self,
        options: SourceOptions,
        folder: Path | None,
        target: str | None = None,
        kind: TimeKind | None = None,
        memory: SourceMemory | None = None,
        vocabulary: Sequence[str] | None = None,
    ):
        """`target`: the dataset's name of its values; `memory`: what it remembers of its sources. Both count where the
        options say nothing.

        `kind`: what the dataset's times are; None where it is new. `vocabulary`: of a dataset of symbols; None where it
        is new, or has numbers.
        """
        self.options, self._target, self._dialect = options, target, options.dialect
        self._memory, self._ids = memory or SourceMemory(), SeriesIds()
        self.symbols = SymbolReader(vocabulary, options.by, options.na) if options.kind == SYMBOLS else None
        self.recognised: list[str] = []  # how the tables are written, where that is not the usual way
        self.keeps_float_ids: Callable[[], bool] = lambda: False  # whether the dataset has ids such as 1.0 already
        self.second_time: str | None = None  # a column of the first table that seems to hold times of day
        self.times = TimeReader(options, kind, self._memory.date_format)
        self._rows = Spill(folder)
        self._extent = Extent()
        self._by_month: Extent | None = None  # with the month first, once a date may have it so
        self._settled = False
        self.on_rows: Callable[[int], None] = lambda rows: None  # called after each batch with the rows read so far
        self.read = self.nulls = self.non_finite = 0  # rows; missing values; values that are NaN, infinite or too large
        self.missing = 0  # values that are empty or NaN
        self.roles: Roles | None = None  # of the first table
        self.dtype: pl.DataType | None = None  # type of the times
        self.pieces: list[str] = []  # names of the tables read, in their order
        self.columns: tuple[str, ...] = ()  # of the first table, in its order
        self.units: dict[str, None] = {}  # that the rows state; of many only some
        self.begins: dict[int, str] = {}  # by place in `pieces`: the watermark after which a piece was read
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

    @property
    def unit(self) -> str | None:
        """The unit of the values, where the rows state one and no other."""
        return next(iter(self.units)) if len(self.units) == 1 else None

    @property
    def latest_value(self) -> RowPlace | None:
        """The row with the latest value."""
        return self._found_extent().latest_value

    @property
    def span(self) -> tuple[int, int]:
        """First and last time as integers, in whatever zone."""
        found = self._found_extent()
        return found.low or 0, found.high or 0

    def newest_time(self, table: int) -> str | None:
        """The newest time of a table that is not ahead of the clock, as it is written there; None where there is none.

        table: its number.
        """
        found = self._found_extent().newest.get(table)
        return found[1] if found else None

    def parts(self) -> Iterator[tuple[Where, pl.DataFrame]]:
        """All rows in parts, each with its bucket; every series is in one part."""
        self.settle()
        for where, frame in self._rows.parts():
            frame = frame if self.symbols is None else self.symbols.in_order(frame)
            if MONTH_FIRST not in frame.columns:
                yield where, frame
            elif self.times.day_first is False:
                yield where, frame.with_columns(pl.coalesce(MONTH_FIRST, TIME).alias(TIME)).drop(MONTH_FIRST)
            else:
                yield where, frame.drop(MONTH_FIRST)

    def settle(self) -> None:
        """Decide after the last batch what only the whole source shows; later calls do nothing.

        Raises InvalidInput where its dates may have the day or the month first.
        """
        if not self._settled:
            self.times.settle(self.pieces[-1])
            self.recognised += self.times.notes()
            self._settled = True
            if self.symbols is not None and self.roles is not None:
                self.symbols.check(self.pieces[-1], None if self.options.by else self.roles.target)

    def _found_extent(self) -> Extent:
        self.settle()
        return self._by_month if self._by_month is not None and self.times.day_first is False else self._extent

    def add(self, table: SourceTable) -> int:
        """Read a whole table. Returns its number among those read.

        Raises InvalidInput, which names the table, the column and the first wrong row.
        """
        found = Recognised()
        return self.add_batches(
            table.batches(self._dialect, found), table.name, found, lambda: table.batches(self._dialect)
        )

    def add_batches(
        self,
        batches: Iterator[pl.DataFrame],
        name: str,
        found: Recognised | None = None,
        again: Callable[[], Iterator[pl.DataFrame]] | None = None,
    ) -> int:
        """As `add`, for batches of any origin. `again` reads them from their start, where that can be done."""
        found = found or Recognised()
        reader = NumberReader(self._dialect, found)
        roles: Roles | None = None
        self.pieces.append(name)
        names, batches = _peek(batches)
        options = recall_present(self.options, self._memory, names)
        preparation = Preparation(options, self._target, self.keeps_float_ids, again, found, reader, name)
        for raw in preparation.apply(batches):
            first = roles is None
            if roles is None:
                roles, numbers = self._choose(raw, reader, name)
                self._add_columns(raw, roles)
                self.times.start(raw, roles.times, name)
            else:
                numbers = self._numbers(raw, roles, reader, name)
                self._failed.update(set(roles.covariates) - set(numbers))
            read = self.times.read(raw, roles.times, name, first)
            self._check_type(read.times, roles, name)
            values = _finite_values(numbers[roles.target])
            self._extend(read, values, raw[ROW], roles, name)
            self._rows.add(pl.DataFrame(list(self._columns(raw, roles, numbers, read, values, name))))
            self.on_rows(self.read)
        self.recognised += [note for note in (*found.notes, *reader.notes) if note not in self.recognised]
        return len(self.pieces) - 1

    def _choose(self, raw: pl.DataFrame, reader: NumberReader, name: str) -> tuple[Roles, dict[str, pl.Series]]:
        """The roles of a table's columns, and the columns of numbers, or that of the symbols' codes."""
        options = self._options_for(raw, name)
        if self.symbols is None:
            return choose_roles(raw, options, reader, name)
        roles = choose_symbol_roles(raw, options, name)
        return roles, self._numbers(raw, roles, reader, name)

    def _numbers(self, raw: pl.DataFrame, roles: Roles, reader: NumberReader, name: str) -> dict[str, pl.Series]:
        if self.symbols is None:
            return numbers_of(raw, roles, reader, name)
        return {roles.target: self.symbols.read(raw, roles.target, name)}

    def _options_for(self, raw: pl.DataFrame, name: str) -> SourceOptions:
        names = [column for column in raw.columns if column != ROW]
        return recall_columns(self.options, self._memory, self._target, names, name)

    def _add_columns(self, raw: pl.DataFrame, roles: Roles) -> None:
        """Take over the columns of a table; later ones must have those of the series and the value too."""
        if self.roles is None:
            self.roles, self.columns = roles, tuple(raw.columns)
            self._memory = replace(self._memory, id_columns=roles.ids, target_column=roles.target)
            self.second_time = second_time_column(raw, roles.time) if len(roles.times) == 1 else None
        self._covariates.update(dict.fromkeys(roles.covariates))
        self._names.update(dict.fromkeys((*roles.covariates, *roles.ignored)))

    def _check_type(self, times: pl.Series, roles: Roles, name: str) -> None:
        if self.dtype is not None and times.dtype != self.dtype:
            raise InvalidInput(
                f"its times are {times.dtype}, those before it {self.dtype}; ingest them separately",
                source=name,
                column=roles.time,
            )
        self.dtype = times.dtype

    def _extend(self, read: ReadTimes, values: pl.Series, rows: pl.Series, roles: Roles, name: str) -> None:
        """Note first, last and newest times, under both readings while both are possible."""
        if read.month_first is not None and self._by_month is None:
            self._by_month = self._extent.copy()
        for extent, times in ((self._extent, read.times), (self._by_month, read.month_first)):
            if extent is not None:
                times = times if times is not None else read.times
                extent.add(times, read.written, len(self.pieces) - 1, now_like(times, self.options.tz))
                extent.add_values(times, values, rows, name, roles.time)

    def _columns(
        self,
        raw: pl.DataFrame,
        roles: Roles,
        numbers: dict[str, pl.Series],
        read: ReadTimes,
        finite: pl.Series,
        name: str,
    ) -> Iterator[pl.Series]:
        """The typed columns of the long frame, with rows in the order of the source; `finite` are the values."""
        values = numbers[roles.target]
        self.read += len(raw)
        self.nulls += values.null_count()
        self.non_finite += finite.null_count() - values.null_count()
        self.missing += values.null_count() + int(values.is_nan().sum())
        yield self._series_of(raw, roles, name).alias(SERIES)
        yield read.times.alias(TIME)
        if read.month_first is not None:
            yield read.month_first.alias(MONTH_FIRST)
        if read.offsets is not None:
            yield read.offsets
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
                yield _hashed(raw[column]).alias(TEXT + column)

    def _series_of(self, raw: pl.DataFrame, roles: Roles, name: str) -> pl.Series:
        """The series id of every row. Raises InvalidInput for the first that is empty or cannot be stored."""
        if not roles.ids:
            return checked_id(self.options.series or stem_of(name), name, len(raw))
        if self.options.series is not None:
            named = ", ".join(roles.ids)
            raise InvalidInput(f"column {named!r} names the series; leave --series out", source=name)
        return self._ids.joined(raw, roles.ids, name)

    def _note_units(self, units: pl.Series) -> None:
        if len(self.units) < 2:
            self.units.update(dict.fromkeys(units.drop_nulls().str.strip_chars().unique().head(2).to_list()))


def _peek(batches: Iterator[pl.DataFrame]) -> tuple[list[str], Iterator[pl.DataFrame]]:
    """The columns of the first batch, and all batches."""
    first = next(batches, None)
    return ([], batches) if first is None else (first.columns, chain([first], batches))


def _hashed(values: pl.Series) -> pl.Series:
    """Eight bytes for each value, equal for equal ones: enough to tell which column names the series."""
    return (values if values.dtype == pl.String else values.cast(pl.String, strict=False)).hash()


def _finite_values(values: pl.Series) -> pl.Series:
    return values.set(~values.is_between(-LARGEST_VALUE, LARGEST_VALUE).fill_null(True), None)
