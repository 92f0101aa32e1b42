"""Prepares the batches of one table before roles are given to its columns. The first batch decides for all.

- A column without a name is the time where it holds times and no other column does; where it counts the rows it is
  left out.
- Ids that are all written as whole floats, `1.0` and `2.0`, become `1` and `2`.
- Columns that are series of their own (`--wide`) become rows.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import polars as pl

from data.errors import InvalidInput
from data.formats import batches
from data.formats.batches import ROW
from data.formats.dialect import Recognised
from data.formats.options import SourceOptions
from data.formats.wide import one_row_per_value
from data.reading.columns import ID_NAMES, TIME_NAMES, find_time, is_split
from data.reading.numbers import NumberReader
from data.reading.unnamed_columns import holds_times, numbers_rows, unnamed_columns
from data.reading.whole_ids import all_whole, without_point_zero
from data.schema import SERIES, SPLIT, VALUE

UNNAMED_TIME = TIME_NAMES[0]  # as a column of times without a name is called

Batches = Iterator[pl.DataFrame]
Change = Callable[[pl.DataFrame], pl.DataFrame]


@dataclass(frozen=True)
class Preparation:
    """How one table is prepared."""

    options: SourceOptions
    target: str | None  # the dataset's column of values
    keeps_float_ids: Callable[[], bool]  # whether the dataset has ids such as 1.0 already
    again: Callable[[], Batches] | None  # reads the table from its start, where that can be done
    found: Recognised
    numbers: NumberReader
    source: str

    def apply(self, raws: Batches) -> Batches:
        """The batches that have rows, prepared. Raises InvalidInput for a column of `--wide` that is no series."""
        changes: list[Change] = []
        for raw in raws:
            if raw.is_empty():
                continue
            if not changes:
                for find_change in (self._name_columns, self._shorten_ids, self._widen):
                    changes.append(find_change(_changed(raw, changes)))
            for part in self._parts(raw):
                yield _changed(part, changes)

    def _parts(self, raw: pl.DataFrame) -> Batches:
        """The batch in parts that are no larger than a batch once columns have become rows."""
        return iter([raw]) if self.options.wide is None else raw.iter_slices(max(1, batches.CELLS // raw.width))

    def _name_columns(self, raw: pl.DataFrame) -> Change:
        """Names a column of times that has no name, and drops those that count the rows beside a time."""
        options = self.options
        given = _columns(options.id_col, options.time_col, options.target_col, options.wide)
        unnamed = [name for name in unnamed_columns(raw.columns, self.found) if name not in given]
        named = [name for name in raw.columns if name not in (*unnamed, ROW)]
        has_time = options.time_col is not None or any(
            name.lower() in TIME_NAMES or raw.schema[name].is_temporal() for name in named
        )
        has_time = has_time or (bool(unnamed) and any(holds_times(raw, name) for name in named if name not in given))
        times = [name for name in unnamed if not has_time and holds_times(raw, name, options)][:1]
        counts = [name for name in unnamed if (has_time or times) and name not in times and numbers_rows(raw[name])]
        if times:
            self.found.note("the column without a name is the time")
        if counts:
            self.found.note("left out a column without a name, which counts the rows")
        names = dict.fromkeys(times, UNNAMED_TIME)
        return lambda batch: batch.drop(counts, strict=False).rename(names, strict=False)

    def _shorten_ids(self, raw: pl.DataFrame) -> Change:
        columns = [name for name in self._id_columns(raw) if all_whole([raw[name]])]
        if columns and self.again is not None:
            named = self._name_columns(raw)
            columns = [name for name in columns if all_whole(named(batch)[name] for batch in self.again())]
        if columns and self.keeps_float_ids():
            columns = []
        for name in columns:
            self.found.note(f"ids of {name} without .0")
        return lambda batch: batch.with_columns(without_point_zero(batch[name]) for name in columns)

    def _widen(self, raw: pl.DataFrame) -> Change:
        if self.options.wide is None:
            return lambda batch: batch
        names, ids = [name for name in raw.columns if name != ROW], self._id_columns(raw)
        series = self._wide_columns(raw, names, ids)
        value = self.options.target_col or self.target or VALUE
        if value in names and value not in series:
            raise InvalidInput(
                "--wide would make a second column of this name; rename it", source=self.source, column=value
            )
        return lambda batch: one_row_per_value(batch, series, ids[-1] if ids else SERIES, value)

    def _wide_columns(self, raw: pl.DataFrame, names: list[str], ids: list[str]) -> list[str]:
        """The columns that are series. Raises InvalidInput for one that is missing or does not hold numbers."""
        if self.options.wide == "*":
            split = [SPLIT] if SPLIT in names and is_split(raw[SPLIT]) else []
            times = _columns(self.options.time_col) or [find_time(raw, names, self.source)]
            series = [name for name in names if name not in (*ids, *times, *split)]
        else:
            series = _columns(self.options.wide)
        if missing := next((name for name in series if name not in names), None):
            message = f"there is no such column; it has {', '.join(names)}"
            raise InvalidInput(message, source=self.source, column=missing)
        numbers = self.numbers.read(raw, series, self.source)
        if wrong := next((name for name in series if name not in numbers), None):
            message = "it does not hold numbers; name the columns that are series, as in --wide s1,s2"
            raise InvalidInput(message, source=self.source, column=wrong)
        if not series:
            raise InvalidInput("--wide finds no column of values beside the time", source=self.source)
        return series

    def _id_columns(self, raw: pl.DataFrame) -> list[str]:
        wanted = _columns(self.options.id_col) or [name for name in ID_NAMES if name in raw.columns][:1]
        return [name for name in wanted if name in raw.columns]


def _changed(raw: pl.DataFrame, changes: list[Change]) -> pl.DataFrame:
    for change in changes:
        raw = change(raw)
    return raw


def _columns(*given: str | None) -> list[str]:
    """The names in options that hold one name or several with commas."""
    return [name.strip() for names in given if names is not None for name in names.split(",")]
