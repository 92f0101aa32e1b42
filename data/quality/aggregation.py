"""`--every`: rows become values of coarser steps, and only of steps that are complete.

A step is complete when a later row has come, of whatever series. So the last step of a source is held back: its tables
are read again by the next run, together with what came since. A watermark stays at the begin of its step.

Steps begin at the full hour, at midnight, on Mondays or with the month: below a day in UTC, else as dates in the zone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from data.errors import InvalidInput
from data.grid.durations import DAY, kind_of, parse_frequency, unit_of
from data.grid.grid import Grid, make_grid
from data.quality.findings import Findings
from data.reading.columns import STEP
from data.reading.infer_frequency import VOTES, to_stored_times
from data.reading.intake import PIECE, Intake
from data.reading.options import SourceOptions
from data.schema import SERIES, TIME

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
    if options.freq is not None and kind_of(parse_frequency(options.freq)) == "date" and kind_of(every) == "instant":
        raise InvalidInput(f"--every {every} is finer than --freq {options.freq}; give a coarser step")


def grid_of(every: str) -> Grid:
    """The grid of a new dataset that is aggregated."""
    plain = make_grid(parse_frequency(every))
    phase = FIRST_MONDAY % plain.every if unit_of(plain.freq) == "w" else 0
    return Grid(plain.freq, phase, plain.sessions, "floor", civil=True)


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
    for _, part in intake.rows.parts():
        frame, *_ = to_stored_times(part.select(SERIES, TIME), grid.freq, intake.options.tz, source, column)
        stamps = frame[TIME].to_numpy()
        stamps = stamps if grid.kind == "step" else stamps[stamps <= latest]
        if len(stamps):
            newest = int(grid.steps(stamps.max(keepdims=True))[0])
            found = newest if found is None else max(found, newest)
    return found
