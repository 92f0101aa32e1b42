"""`--every`: rows become values of coarser steps, and only of steps that are complete.

A step is complete when a later row has come, of whatever series. So the last step of a source is held back: its tables
are read again by the next run, together with what came since. A watermark stays at the begin of its step.

Steps begin at the full hour, at midnight, on Mondays or with the month: below a day in UTC, else as dates in the zone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from data.errors import InvalidInput
from data.formats.options import SourceOptions
from data.grid.durations import (
    DAY,
    FIXED,
    MONTHS,
    YEAR,
    bar_of,
    count_of,
    kind_of,
    length_of,
    parse_frequency,
    unit_of,
)
from data.grid.grid import Grid, make_grid
from data.quality.findings import Findings
from data.reading.columns import STEP, with_codes
from data.reading.infer_frequency import VOTES, facts_of
from data.reading.intake import PIECE, Intake
from data.schema import SERIES, TIME
from data.times.mark_times import step_of_mark
from data.times.zones import OFFSET, to_stored_times

FIRST_MONDAY = 4 * DAY  # 1970-01-05
DEFAULT_KEEP = "mean"


@dataclass(frozen=True)
class Aggregation:
    """What is left out when a source is aggregated.

    unfinished  number of the step that no later row completes; None where none is held back
    begins      by piece: the step up to which its rows were read before and may not be whole; they change nothing
    """

    unfinished: int | None = None
    begins: Mapping[int, int] = field(default_factory=dict)

    def complete_rows(self, frame: pl.DataFrame, found: Findings) -> pl.DataFrame:
        """The rows of complete steps; those that are held back are counted."""
        for piece, step in self.begins.items():
            frame = frame.filter((pl.col(PIECE) != piece) | (pl.col(STEP) > step))
        held = frame.filter(pl.col(STEP) == self.unfinished) if self.unfinished is not None else frame.clear()
        found.held_back += len(held)
        found.unfinished |= set(held[PIECE].unique().to_list())
        return frame.filter(pl.col(STEP) != self.unfinished) if len(held) else frame


def keep_of(options: SourceOptions) -> str | None:
    """The rule by which several values of one step become one; None: the last one stays."""
    return options.keep or (DEFAULT_KEEP if options.every is not None else None)


def check_every(options: SourceOptions) -> None:
    """Raises InvalidInput for a frequency that does not exist, and for one that `--snap` contradicts."""
    if options.every is None:
        return
    every = parse_frequency(options.every)
    if options.snap not in (None, "floor"):
        raise InvalidInput(f"--every {every} puts a row into the step that holds its time; leave --snap out")
    if options.freq is not None and _is_finer(every, parse_frequency(options.freq)):
        raise InvalidInput(
            f"--every {every} is finer than --freq {options.freq}, the frequency of the rows; give a coarser --every, "
            "or leave --freq out"
        )


def _is_finer(freq: str, other: str) -> bool:
    """Whether the steps of a frequency are shorter than those of another."""
    if (kind_of(freq) == "step") != (kind_of(other) == "step"):
        return False  # refused with the times, which are integers or not
    return _usual_length(freq) < _usual_length(other)


def _usual_length(freq: str) -> int:
    """Microseconds of a usual step; of integer steps their number."""
    if bar := bar_of(freq):
        return length_of(bar)
    unit = unit_of(freq)
    return count_of(freq) * (FIXED.get(unit) or MONTHS.get(unit, 0) * YEAR // 12 or (DAY if unit else 1))


def grid_of(every: str) -> Grid:
    """The grid of a new dataset that is aggregated."""
    plain = make_grid(parse_frequency(every))
    phase = FIRST_MONDAY % plain.every if unit_of(plain.freq) == "w" else 0
    return Grid(plain.freq, phase, plain.sessions, "floor", civil=True)


def grid_for(intake: Intake, source: str, column: str, known: Grid | None) -> Grid:
    """The grid of a source that is aggregated: that of the dataset, or a new one. Raises InvalidInput."""
    grid = known or grid_of(str(intake.options.every))
    if (intake.dtype == pl.Int64) != (grid.kind == "step"):
        held = "times" if grid.kind == "step" else "integer steps"
        raise InvalidInput(f"--every {grid.freq} does not fit a column of {held}", source=source, column=column)
    facts = [facts_of(with_codes(part), intake.options.tz) for _, part in intake.parts()]
    refuse_finer(pl.concat(facts, how="diagonal"), grid, source, column)
    return grid


def of_source(intake: Intake, grid: Grid, source: str, stored: pl.Series, latest: int) -> Aggregation | None:
    """What the aggregation of a source leaves out; None where rows stay as fine as they are.

    stored: `ds` of the last rows of the dataset's series; latest: the last time that is not ahead of the clock.
    """
    if intake.options.every is None or intake.roles is None:
        return None
    last, newest = last_step(intake, grid, source, intake.roles.time, latest), stored.max()
    completed = last is not None and isinstance(newest, int) and int(grid.steps([newest])[0]) > last
    begins = {piece: step_of_mark(mark, grid, intake.options) for piece, mark in intake.begins.items()}
    return Aggregation(None if completed else last, {p: step for p, step in begins.items() if step is not None})


def nothing_complete(grid: Grid, source: str) -> InvalidInput:
    """The error for a source of which every row would be held back."""
    return InvalidInput(
        f"all its rows are of one step of {grid.freq} that no later row completes; ingest it with later rows",
        source=source,
    )


def refuse_finer(facts: pl.DataFrame, grid: Grid, source: str, column: str) -> None:
    """Raises InvalidInput where the rows of most series, by their `facts`, are farther apart than a step."""
    first, second = grid.stamps([0, 1])
    step = int(second - first)
    median = facts.filter(pl.col("rows") >= VOTES)["median"].median()
    if isinstance(median, float) and median > step:
        raise InvalidInput(
            f"its rows are farther apart than --every {grid.freq}, which must be the coarser step; leave it out",
            source=source,
            column=column,
        )


def last_step(intake: Intake, grid: Grid, source: str, column: str, latest: int) -> int | None:
    """The step of the last row that is not ahead of `latest`, in microseconds; None where there is no such row."""
    found: int | None = None
    for _, part in intake.parts():
        times = part.select(name for name in (SERIES, TIME, OFFSET) if name in part.columns)
        frame, *_ = to_stored_times(times, grid.freq, intake.options.tz, source, column, grid.civil)
        stamps = frame[TIME].to_numpy()
        stamps = stamps if grid.kind == "step" else stamps[stamps <= latest]
        if len(stamps):
            newest = int(grid.steps(stamps.max(keepdims=True))[0])
            found = newest if found is None else max(found, newest)
    return found
