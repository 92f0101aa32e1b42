"""From a raw frame to the long frame everything else reads, and the report of what was found on the way.

The rules, each one counted and none silent:

- rows of one (series, step): the last one in the source's order stays;
- a step back in time: the rows are sorted;
- a stamp between two steps: it moves down to the step before it;
- a local time that a change of clocks skips or repeats: the row is rejected;
- NaN or infinity: a missing value.

Anything else that does not fit is refused as a whole, with its row.
"""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from data.calendars import Grid, default_horizon, default_season, format_ds, make_grid
from data.catalogue import UNIQUE_ID
from data.columns import CODE, ORDER, STEP, Roles, choose, read_times
from data.errors import InvalidInput
from data.schema import SERIES, SPLIT, TIME, VALUE
from data.sources import ROW, SourceOptions, stem_of
from data.timing import find_frequency, on_the_inside

CONSTANT = 10  # equal values in a row that are worth a word, or a season of them if that is longer
SAMPLE = 100_000  # stamps looked at to see where steps begin
YEAR = 31_556_952_000_000  # microseconds
LONGEST_YEARS = 100  # without a value within one series, or ahead of the clock
LONGEST_GAP = 1_000_000  # steps: ten years of five minutes; beyond it is a wrong stamp, and would fill the memory
LONGEST_TEST = 168  # steps: a longer `test` part is no forecast horizon


@dataclass(frozen=True)
class QualityReport:
    """What an ingest found, as it is shown and stored."""

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
    duplicates: int  # rows that a later row of the same series and step replaced
    steps_back: int  # rows older than the row before them in their series
    snapped: int  # stamps moved down to their step
    rejected: int  # rows whose local time does not exist, or exists twice
    gaps: int  # steps without a row between the first and the last of their series
    longest_gap: int  # steps
    nulls: int
    non_finite: int
    constant_stretches: int
    longest_constant: int  # steps
    covariates: tuple[str, ...]
    columns_ignored: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


@dataclass(frozen=True)
class Conformed:
    """A source as a long frame: `unique_id, ds, y`, covariates and perhaps `split`, sorted, one row per step."""

    frame: pl.DataFrame
    report: QualityReport
    grid: Grid
    season: int
    horizon: int


def conform(raw: pl.DataFrame, options: SourceOptions, source: str, grid: Grid | None = None) -> Conformed:
    """Bring a raw frame into the long form.

    `grid` is the dataset's own when there is one already: it stays, and a source of another frequency is refused.
    InvalidInput names the source, the column and the first row that does not fit.
    """
    raw = raw if ROW in raw.columns else raw.with_row_index(ROW, offset=1)
    if raw.is_empty():
        raise InvalidInput("there are no rows in it; give a header and at least one row", source=source)
    roles, numbers = choose(raw, options, source)
    frame = _coded(pl.DataFrame(list(_typed(raw, roles, numbers, options, source))))
    if frame[VALUE].null_count() == len(frame):
        raise InvalidInput("not one value in it is a number; choose another", source=source, column=roles.target)
    _ask_for_id(frame, raw, roles, source)

    freq = find_frequency(frame, options, source, grid)
    frame, shortened = on_the_inside(frame, freq, options.tz, source, roles.time)
    if frame.is_empty():
        raise InvalidInput("no row has a local time that exists; check --tz", source=source, column=roles.time)
    stamps = frame[TIME].to_numpy()
    grid = grid or make_grid(freq, stamps[:: max(1, len(stamps) // SAMPLE)])
    steps = grid.steps(stamps)
    placed = frame.with_columns(pl.Series(TIME, grid.stamps(steps)), pl.Series(STEP, steps))
    final = _last_of_each_step(placed)

    season = options.season or default_season(freq)
    horizon = options.horizon or _tested(final, roles) or default_horizon(freq, season)
    if min(season, horizon) < 1:
        raise InvalidInput("season and horizon count steps; give 1 or more", source=source)
    missing, longest_gap = _gaps(final)
    refuse_gap(longest_gap, grid, source, roles.time)
    _refuse_future(final, grid, source, roles.time)
    stretches, longest_constant = _constant(final, max(season, CONSTANT))
    values = numbers[roles.target]
    report = QualityReport(
        source=source,
        id_column=roles.id,
        time_column=roles.time,
        target_column=roles.target,
        rows=len(raw),
        kept=len(final),
        series=final[CODE].n_unique(),
        first=format_ds(int(stamps.min()), grid.kind),
        last=format_ds(int(stamps.max()), grid.kind),
        frequency=freq,
        frequency_inferred=options.freq is None,
        season=season,
        season_inferred=options.season is None,
        horizon=horizon,
        horizon_inferred=options.horizon is None,
        zone=options.tz,
        duplicates=len(placed) - len(final),
        steps_back=int(placed.select((pl.col(STEP).diff().over(CODE) < 0).sum()).item()),
        snapped=int(((placed[TIME].to_numpy() != stamps) | shortened).sum()),
        rejected=len(raw) - len(placed),
        gaps=missing,
        longest_gap=longest_gap,
        nulls=values.null_count(),
        non_finite=len(values) - values.null_count() - int(values.is_finite().sum()),
        constant_stretches=stretches,
        longest_constant=longest_constant,
        covariates=roles.covariates,
        columns_ignored=roles.ignored,
    )
    return Conformed(final.drop(STEP, CODE), report, grid, season, horizon)


# --- columns ----------------------------------------------------------------------------------------------------------


def _typed(
    raw: pl.DataFrame, roles: Roles, numbers: dict[str, pl.Series], options: SourceOptions, source: str
) -> Iterator[pl.Series]:
    """The columns of the long frame, each of its type, in the source's order of rows."""
    yield _identities(raw, roles, options, source).alias(SERIES)
    yield read_times(raw, roles.time, options.date_format, source).alias(TIME)
    yield _finite(numbers[roles.target]).alias(VALUE)
    for name in roles.covariates:
        yield _finite(numbers[name]).alias(name)
    if roles.split is not None:
        yield raw[roles.split].alias(SPLIT)


def _coded(frame: pl.DataFrame) -> pl.DataFrame:
    """With the series as integers too, in the order of their ids: to sort and compare them is ten times faster."""
    ids = frame[SERIES].unique().sort()
    return frame.with_columns(pl.col(SERIES).cast(pl.Enum(ids)).to_physical().alias(CODE))


def _identities(raw: pl.DataFrame, roles: Roles, options: SourceOptions, source: str) -> pl.Series:
    """Every row's series id; InvalidInput at the first that is empty or cannot be stored."""
    if roles.id is None:
        ids, place = pl.repeat(options.series or stem_of(source), len(raw), dtype=pl.String, eager=True), "--series"
    elif options.series is not None:
        raise InvalidInput(f"column {roles.id!r} names the series; leave --series out", source=source)
    else:
        ids, place = raw[roles.id].cast(pl.String), roles.id
    bad = (ids.is_null() | ~ids.str.contains(f"^{UNIQUE_ID}$")).fill_null(True)
    if bad.any():
        raise InvalidInput(
            "a series id must have 1 to 200 characters, none of them a control character",
            source=source,
            column=place,
            row=raw[ROW][int(bad.arg_max() or 0)] if roles.id else None,
        )
    return ids


def _finite(values: pl.Series) -> pl.Series:
    return values.set(~values.is_finite().fill_null(True), None)


def _ask_for_id(frame: pl.DataFrame, raw: pl.DataFrame, roles: Roles, source: str) -> None:
    """Refuse many series poured into one: most stamps repeat, and some column of text tells the rows apart."""
    if roles.id is not None or 2 * frame[TIME].n_unique() > len(frame):
        return
    for name in roles.ignored:
        if raw.schema[name] == pl.String and not pl.DataFrame([raw[name], frame[TIME]]).is_duplicated().any():
            raise InvalidInput(f"{name!r} seems to name the series; say --id-col '{name}'", source=source, column=name)


# --- rows -------------------------------------------------------------------------------------------------------------


def _last_of_each_step(frame: pl.DataFrame) -> pl.DataFrame:
    """Sorted by series and step; of several rows for one step the last in the source's order."""
    frame = frame.with_row_index(ORDER).sort(CODE, STEP, ORDER).drop(ORDER)
    replaced = (pl.col(CODE) == pl.col(CODE).shift(-1)) & (pl.col(STEP) == pl.col(STEP).shift(-1))
    return frame.filter(~replaced.fill_null(False))


# --- findings ---------------------------------------------------------------------------------------------------------


def _tested(frame: pl.DataFrame, roles: Roles) -> int | None:
    """Length of the `test` part where every series has the same and it is short enough to be a horizon."""
    if roles.split is None:
        return None
    lengths = frame.group_by(CODE).agg((pl.col(SPLIT) == "test").sum().alias("n"))["n"].unique().to_list()
    return int(lengths[0]) if len(lengths) == 1 and 0 < lengths[0] <= LONGEST_TEST else None


def refuse_gap(steps: int, grid: Grid, source: str, column: str) -> None:
    """Raises InvalidInput for a gap that only a wrong stamp explains, and that would fill the memory."""
    start, stop = grid.stamps(np.array([0, max(0, steps)]))
    years = (stop - start) / YEAR if grid.kind != "step" else 0
    if steps > LONGEST_GAP or years > LONGEST_YEARS:
        raise InvalidInput(
            f"{steps:,} steps of {grid.freq} are missing in a row; correct the stamp, or say a longer --freq",
            source=source,
            column=column,
        )


def _refuse_future(frame: pl.DataFrame, grid: Grid, source: str, column: str) -> None:
    """Raises InvalidInput for a stamp so far ahead of the clock that no scenario means it."""
    latest = int(frame.filter(pl.col(VALUE).is_not_null())[TIME].max() or 0)  # type: ignore[arg-type]
    if grid.kind != "step" and latest > time.time() * 1e6 + LONGEST_YEARS * YEAR:
        raise InvalidInput(
            f"{format_ds(latest, grid.kind)} is over a century ahead of the clock; correct the stamp or --date-format",
            source=source,
            column=column,
        )


def _gaps(frame: pl.DataFrame) -> tuple[int, int]:
    """(missing steps, the longest run of them), between the first and the last row of each series."""
    code, step = frame[CODE].to_numpy(), frame[STEP].to_numpy()
    missing = np.diff(step)[np.diff(code) == 0] - 1
    return int(missing.sum()), int(missing.max(initial=0))


def _constant(frame: pl.DataFrame, length: int) -> tuple[int, int]:
    """(runs of at least `length` equal values, the longest of them)."""
    code, y = frame[CODE].to_numpy(), frame[VALUE].to_numpy()
    changes = np.flatnonzero((y[1:] != y[:-1]) | (code[1:] != code[:-1])) + 1  # NaN differs from itself
    runs = np.diff(np.concatenate([[0], changes, [len(y)]]))
    long = runs[runs >= length]
    return len(long), int(long.max(initial=0))
