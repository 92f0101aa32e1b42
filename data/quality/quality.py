"""Conforms typed rows to the grid of a dataset, and reports what was found.

The report counts each of these:

- several rows for one (series, step): the last one in the order of the source stays;
- a step back in time: the rows are sorted;
- a stamp between two steps: it moves down to the step before it;
- a local time that a change of clocks skips or repeats: the row is rejected;
- NaN or infinity: a missing value.

For anything else that is wrong the whole source is refused, and the error names the row. Several whole series are
processed at a time, so that memory holds only part of the rows.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from data import clock
from data.errors import InvalidInput
from data.grid.durations import DAY, YEAR, default_horizon, default_season
from data.grid.grid import Grid, format_ds, make_grid
from data.schema import SERIES, SPLIT, TIME, VALUE
from data.sources.columns import CODE, ORDER, STEP
from data.sources.formats import ROW
from data.sources.infer_frequency import facts_of, find_frequency, to_stored_times
from data.sources.intake import TEXT, Intake, RowPlace
from data.sources.resolve import SourceOptions
from data.spill import Spill, Where

CONSTANT = 10  # equal values in a row that are reported; a season of them if that is longer
SAMPLE = 100_000  # stamps from which the phase of the grid is inferred
LONGEST_YEARS = 100  # longest gap within a series
LONGEST_GAP = 1_000_000  # steps: ten years of five minutes; a longer gap means a wrong stamp, and would fill the memory
LONGEST_TEST = 168  # steps: a longer `test` part is not taken as the horizon
FIRST, LAST = -(2**63), 2**63 - 1  # of int64


@dataclass(frozen=True)
class QualityReport:
    """What an ingest found, for the user and for the catalogue."""

    source: str
    id_column: str | None
    time_column: str
    target_column: str
    rows: int  # in the source
    kept: int  # in the frame
    series: int
    first: str | int
    last: str | int
    frequency: str
    frequency_inferred: bool
    season: int
    season_inferred: bool
    horizon: int
    horizon_inferred: bool
    zone: str | None
    duplicates: int  # rows replaced by a later row of the same series and step
    steps_back: int  # rows older than the row before them in their series
    snapped: int  # stamps moved down to their step
    rejected: int  # rows whose local time does not exist, or exists twice
    gaps: int  # steps without a row between the first and the last of their series
    longest_gap: int  # steps
    nulls: int
    non_finite: int  # NaN, infinite, or beyond ±LARGEST_VALUE: stored as missing
    constant_stretches: int
    longest_constant: int  # steps
    covariates: tuple[str, ...]
    columns_ignored: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


@dataclass(frozen=True)
class Conformed:
    """A source as long frames of whole series: `unique_id, ds, y`, covariates, optionally `split`; one row per step."""

    parts: Spill
    report: QualityReport
    grid: Grid
    season: int
    horizon: int

    span: tuple[int, int]  # first and last `ds`
    has_split: bool

    def spans(self) -> pl.DataFrame:
        """A frame with `first` and `last` `ds` of every series, sorted by series."""
        ends = [pl.col(TIME).min().alias("first"), pl.col(TIME).max().alias("last")]
        return pl.concat([part.group_by(SERIES).agg(ends) for _, part in self.parts.parts()]).sort(SERIES)

    @property
    def frame(self) -> pl.DataFrame:
        """All rows, sorted by series and time."""
        return pl.concat([part for _, part in self.parts.parts()], how="diagonal").sort(SERIES, TIME)


@dataclass
class Findings:
    """What was counted in some series; `a + b` is the sum of both counts."""

    kept: int = 0
    series: int = 0
    stamps: list[int] = field(default_factory=list)  # first and last of each part, before they move to their step
    span: tuple[int, int] = (LAST, FIRST)  # of `ds`, after stamps moved to their steps
    latest: int = FIRST  # time of the last value: of its stamp, or of its step where that begins earlier
    has_split: bool = False
    duplicates: int = 0
    steps_back: int = 0
    snapped: int = 0
    rejected: int = 0
    gaps: int = 0
    longest_gap: int = 0
    stretches: int = 0
    longest_constant: int = 0
    tested: set[int] = field(default_factory=set)  # lengths of the series' test parts

    def __add__(self, other: "Findings") -> "Findings":
        fields = {name: (getattr(self, name), getattr(other, name)) for name in vars(self)}
        largest = {name: max(fields[name]) for name in ("latest", "longest_gap", "longest_constant", "has_split")}
        span = min(self.span[0], other.span[0]), max(self.span[1], other.span[1])
        combined = {"span": span, "tested": self.tested | other.tested, **largest}
        return Findings(**combined, **{name: a + b for name, (a, b) in fields.items() if name not in combined})


RowFilter = Callable[[Where, pl.DataFrame], pl.DataFrame]  # gives rows of whole series back without those to leave out


def conform(raw: pl.DataFrame, options: SourceOptions, source: str, grid: Grid | None = None) -> Conformed:
    """Conform one raw frame, all in memory. See `conform_all`."""
    raw = raw if ROW in raw.columns else raw.with_row_index(ROW, offset=1)
    if raw.is_empty():
        raise InvalidInput("there are no rows in it; give a header and at least one row", source=source)
    intake = Intake(options, None)
    intake.add_batches(iter([raw]), source)
    return conform_all(intake, source, None, grid)


def conform_all(
    intake: Intake,
    source: str,
    folder: Path | None,
    grid: Grid | None = None,
    row_filter: RowFilter | None = None,
    tolerance: int = 0,
) -> Conformed:
    """Conform all rows of an intake; the result is collected in `folder`.

    `grid` is that of an existing dataset: it stays, a source of another frequency is refused, and one without any value
    is taken. `row_filter` gets each conformed part, with the columns `STEP` and, where the source has one, `UNIT`.
    `tolerance`: µs that a row with a value may be ahead of the clock, and for dates a day more.

    Raises InvalidInput, which names the source, the column and, where one row is wrong, that row.
    """
    roles, options = intake.roles, intake.options
    assert roles is not None  # noqa: S101 the intake has at least one row
    only_missing = intake.missing == intake.read  # planned covariates, or values taken back
    if intake.nulls + intake.non_finite == intake.read and not (grid is not None and only_missing):
        raise InvalidInput("no value in it is a number; choose another column", source=source, column=roles.target)
    grid = _grid(intake, source, roles.time, grid)
    season = options.season or default_season(grid.freq)
    parts, found = Spill(folder), Findings()
    for where, part in intake.rows.parts():
        _refuse_mixed_series(part, source)
        frame, findings = _conform(part, grid, options, season, source, roles.time)
        found += findings
        if row_filter is not None and not frame.is_empty():
            frame = row_filter(where, frame)
        parts.add(frame.select(SERIES, TIME, VALUE, *(c for c in (*intake.covariates, SPLIT) if c in frame.columns)))
    if parts.rows == 0:
        raise InvalidInput("no row has a local time that exists; check --tz", source=source, column=roles.time)
    horizon = options.horizon or _common_test_length(found) or default_horizon(grid.freq, season)
    if min(season, horizon) < 1:
        raise InvalidInput("season and horizon count steps; give 1 or more", source=source)
    _refuse_future(found.latest, intake.latest_value, grid, tolerance)
    refuse_gap(found.longest_gap, grid, source, roles.time)
    report = QualityReport(
        source=source,
        id_column=roles.id,
        time_column=roles.time,
        target_column=roles.target,
        rows=intake.read,
        kept=found.kept,
        series=found.series,
        first=format_ds(min(found.stamps), grid.kind),
        last=format_ds(max(found.stamps), grid.kind),
        frequency=grid.freq,
        frequency_inferred=options.freq is None,
        season=season,
        season_inferred=options.season is None,
        horizon=horizon,
        horizon_inferred=options.horizon is None,
        zone=options.tz,
        duplicates=found.duplicates,
        steps_back=found.steps_back,
        snapped=found.snapped,
        rejected=found.rejected,
        gaps=found.gaps,
        longest_gap=found.longest_gap,
        nulls=intake.nulls,
        non_finite=intake.non_finite,
        constant_stretches=found.stretches,
        longest_constant=found.longest_constant,
        covariates=intake.covariates,
        columns_ignored=intake.ignored,
    )
    return Conformed(parts, report, grid, season, horizon, found.span, found.has_split)


def _grid(intake: Intake, source: str, column: str, known: Grid | None) -> Grid:
    """The dataset's grid, or a new one with the frequency and the phase of the stamps."""
    options, every = intake.options, max(1, intake.read // SAMPLE)
    facts, samples = [pl.DataFrame()], []
    if options.freq is None or known is None:
        for _, part in intake.rows.parts():
            if options.freq is None:
                facts.append(facts_of(_with_codes(part)))
            if known is None:
                samples.append(part.select(TIME).gather_every(every))
    freq = find_frequency(pl.concat(facts, how="diagonal"), intake.dtype == pl.Int64, options, source, known)
    if known is not None:
        return known
    sample, _ = to_stored_times(pl.concat(samples), freq, options.tz, source, column)
    return make_grid(freq, sample[TIME].to_numpy())


def _conform(
    part: pl.DataFrame, grid: Grid, options: SourceOptions, season: int, source: str, column: str
) -> tuple[pl.DataFrame, Findings]:
    """A part of the series, conformed and sorted, and what was counted in it."""
    frame, shortened = to_stored_times(_with_codes(part), grid.freq, options.tz, source, column)
    if frame.is_empty():
        return frame, Findings(rejected=len(part))
    stamps = frame[TIME].to_numpy()
    steps = grid.steps(stamps)
    placed = frame.with_columns(pl.Series(TIME, grid.stamps(steps)), pl.Series(STEP, steps))
    times = np.minimum(stamps, placed[TIME].to_numpy())
    final, steps_back = _last_row_of_each_step(placed)
    gaps, longest_gap = _gaps(final)
    stretches, longest_constant = _constant_stretches(final, max(season, CONSTANT))
    findings = Findings(
        kept=len(final),
        series=final[CODE].n_unique(),
        stamps=[int(stamps.min()), int(stamps.max())],
        span=(int(final[TIME].min()), int(final[TIME].max())),  # type: ignore[arg-type]
        has_split=SPLIT in final.columns,
        latest=int(times[placed[VALUE].is_not_null().to_numpy()].max(initial=FIRST)),
        duplicates=len(placed) - len(final),
        steps_back=steps_back,
        snapped=int(((placed[TIME].to_numpy() != stamps) | shortened).sum()),
        rejected=len(part) - len(placed),
        gaps=gaps,
        longest_gap=longest_gap,
        stretches=stretches,
        longest_constant=longest_constant,
        tested=_test_lengths(final),
    )
    return final, findings


def _with_codes(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with CODE, the series as integers in the order of their ids: ten times faster to sort and compare."""
    ids = frame[SERIES].unique().sort()
    return frame.with_columns(pl.col(SERIES).cast(pl.Enum(ids)).to_physical().alias(CODE))


def _refuse_mixed_series(frame: pl.DataFrame, source: str) -> None:
    """Raises InvalidInput where most stamps repeat and a column of text tells the rows apart: it names the series."""
    texts = [name for name in frame.columns if name.startswith(TEXT)]
    if not texts or 2 * frame.select(SERIES, TIME).n_unique() > len(frame):
        return
    for text in texts:
        if not frame.select(text, SERIES, TIME).is_duplicated().any():
            name = text.removeprefix(TEXT)
            raise InvalidInput(f"{name!r} seems to name the series; give --id-col '{name}'", source=source, column=name)


# --- rows -------------------------------------------------------------------------------------------------------------


def _last_row_of_each_step(frame: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """The rows sorted by series and step, with the last row of each step; and how many rows step back in time."""
    code, step = pl.col(CODE), pl.col(STEP)
    again = code == code.shift(1)
    if frame.select((again & (step <= step.shift(1)) | (code < code.shift(1))).any()).item():
        steps_back = int(frame.select((step.diff().over(CODE) < 0).sum()).item())
        frame = frame.with_row_index(ORDER).sort(CODE, STEP, ORDER).drop(ORDER)
        replaced = (code == code.shift(-1)) & (step == step.shift(-1))
        return frame.filter(~replaced.fill_null(False)), steps_back
    return frame, 0


# --- findings ---------------------------------------------------------------------------------------------------------


def _test_lengths(frame: pl.DataFrame) -> set[int]:
    if SPLIT not in frame.columns:
        return set()
    return set(frame.group_by(CODE).agg((pl.col(SPLIT) == "test").sum().alias("n"))["n"].to_list())


def _common_test_length(found: Findings) -> int | None:
    """Length of the `test` part, where it is the same in every series and short enough for a horizon."""
    lengths = list(found.tested)
    return int(lengths[0]) if len(lengths) == 1 and 0 < lengths[0] <= LONGEST_TEST else None


def refuse_gap(steps: int, grid: Grid, source: str, column: str) -> None:
    """Raises InvalidInput for a gap of `steps` that is too long: it means a wrong stamp, and would fill the memory."""
    start, stop = grid.stamps(np.array([0, max(0, steps)]))
    years = (stop - start) / YEAR if grid.kind != "step" else 0
    if steps > LONGEST_GAP or years > LONGEST_YEARS:
        raise InvalidInput(
            f"{steps:,} steps of {grid.freq} are missing in a row; correct the stamp, or give a longer --freq",
            source=source,
            column=column,
        )


def _refuse_future(latest: int, place: RowPlace | None, grid: Grid, tolerance: int) -> None:
    """Raises InvalidInput, which names the row, where the latest value is ahead of the clock by more than `tolerance`.

    Its series' origin would lie there, and every later value would be a correction. Integer steps have no clock.
    """
    tolerated = tolerance + (DAY if grid.kind == "date" else 0)  # it may be tomorrow
    if place is not None and grid.kind != "step" and latest > clock.now() + tolerated:
        raise InvalidInput(
            f"{format_ds(latest, grid.kind)} is ahead of the clock, and the row has a value; correct the stamp, "
            "--date-format or --tz, or leave the value empty if only covariates are planned",
            source=place.source,
            column=place.column,
            row=place.row,
        )


def _gaps(frame: pl.DataFrame) -> tuple[int, int]:
    """(missing steps, longest run of them) between the first and the last row of each series."""
    code, step = frame[CODE].to_numpy(), frame[STEP].to_numpy()
    missing = np.diff(step)[np.diff(code) == 0] - 1
    return int(missing.sum()), int(missing.max(initial=0))


def _constant_stretches(frame: pl.DataFrame, length: int) -> tuple[int, int]:
    """(number of runs of at least `length` equal values, longest of them)."""
    code, y = frame[CODE].to_numpy(), frame[VALUE].to_numpy()
    changes = np.flatnonzero((y[1:] != y[:-1]) | (code[1:] != code[:-1])) + 1  # NaN differs from itself
    runs = np.diff(np.concatenate([[0], changes, [len(y)]]))
    long = runs[runs >= length]
    return len(long), int(long.max(initial=0))
