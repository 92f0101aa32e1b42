"""Conforms typed rows to the grid of a dataset, and reports what was found.

The report counts each of these:

- several rows for one (series, step): the last one in the order of the source stays, or what `keep` makes of them;
- a step back in time: the rows are sorted;
- a stamp between two steps: it moves to the nearest one, or as the grid's rule says, which may be to reject the row;
- a local time that a change of clocks skips or repeats: the row is rejected;
- a stamp on a day or at an hour without steps: the row is dropped or rejected, see `data/quality/closed_days.py`;
- NaN or infinity: a missing value;
- a row of a clock that was not set: it is given back apart.

Where more than a few rows would be lost, the whole source is refused (`lost_rows`). It is also refused for anything
else that is wrong, and the error names the row. Several whole series are processed at a time, so that memory holds only
part of the rows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from data import clock
from data.errors import InvalidInput
from data.formats.batches import ROW
from data.formats.options import SourceOptions, snap_of
from data.grid.closed import why_closed
from data.grid.durations import YEAR, default_horizon
from data.grid.grid import Grid, make_grid
from data.grid.stamps import format_ds
from data.grid.unset_clock import latest_stamp
from data.quality import aggregation
from data.quality.aggregation import Aggregation, keep_of
from data.quality.clashes import STAMP, one_row_for_each_step
from data.quality.clock_rule import ClockRule, KnownRows, without_value
from data.quality.closed_days import ValuesBefore, compare_closed
from data.quality.findings import Findings, common_test_length, gaps_of, test_lengths
from data.quality.key_check import (
    contested_rows,
    count_clashes,
    find_interleaved,
    find_keys,
    find_named,
    most_repeat,
    refuse_interleaved,
    refuse_mixed_series,
    refuse_named,
)
from data.quality.lost_rows import first_clash, refuse_clashes, refuse_rejected
from data.quality.rejections import CLOSED, NO_LOCAL_TIME, OFF_GRID
from data.quality.report import QualityReport
from data.quality.stretches import find_stretches
from data.quality.worst_series import find_worst
from data.reading.columns import CODE, with_codes
from data.reading.infer_frequency import facts_of, find_frequency
from data.reading.intake import Intake
from data.reading.placing import place_rows
from data.records.quarantine import Breach
from data.schema import SERIES, SPLIT, TIME, VALUE
from data.spill import Spill, Where
from data.times.zones import open_days, to_stored_times

SAMPLE = 100_000  # stamps from which the phase of the grid is inferred
LONGEST_YEARS = 100  # longest gap within a series
LONGEST_GAP = 1_000_000  # steps: ten years of five minutes; a longer gap means a wrong stamp, and would fill the memory


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
    labels: Mapping[str, int]  # of series that had none; see `data.grid.labels`
    clock: list[Breach]  # rows of a clock that was not set, which are in no part
    unfinished: frozenset[str]  # the pieces that have rows of a step that is held back
    vocabulary: tuple[str, ...] | None = None  # where values are symbols

    def spans(self) -> pl.DataFrame:
        """A frame with `first` and `last` `ds` of every series, sorted by series."""
        ends = [pl.col(TIME).min().alias("first"), pl.col(TIME).max().alias("last")]
        none = pl.DataFrame(schema={SERIES: pl.String, "first": pl.Int64, "last": pl.Int64})
        return pl.concat([none, *(part.group_by(SERIES).agg(ends) for _, part in self.parts.parts())]).sort(SERIES)

    @property
    def frame(self) -> pl.DataFrame:
        """All rows, sorted by series and time."""
        return pl.concat([part for _, part in self.parts.parts()], how="diagonal").sort(SERIES, TIME)


RowFilter = Callable[[Where, pl.DataFrame], pl.DataFrame]  # gives rows of whole series back without those to leave out
Past = Callable[[Where, pl.DataFrame], pl.DataFrame]  # gives the stored rows `unique_id, ds, y` of the same series


def conform(
    raw: pl.DataFrame,
    options: SourceOptions,
    source: str,
    grid: Grid | None = None,
    labels: Mapping[str, int] | None = None,
) -> Conformed:
    """Conform one raw frame, all in memory. See `conform_all`."""
    raw = raw if ROW in raw.columns else raw.with_row_index(ROW, offset=1)
    if raw.is_empty():
        raise InvalidInput("there are no rows in it; give a header and at least one row", source=source)
    intake = Intake(options, None, kind=grid.kind if grid else None)
    intake.add_batches(iter([raw]), source)
    return conform_all(intake, source, None, grid, labels=labels)


def conform_all(
    intake: Intake,
    source: str,
    folder: Path | None,
    grid: Grid | None = None,
    row_filter: RowFilter | None = None,
    tolerance: int = 0,
    labels: Mapping[str, int] | None = None,
    known: KnownRows | None = None,
    past: Past | None = None,
    before: ValuesBefore | None = None,
) -> Conformed:
    """Conform all rows of an intake; the result is collected in `folder`.

    `grid` is that of an existing dataset: it stays, a source of another frequency is refused, and one without any value
    is taken. `row_filter` gets each conformed part, with the columns `STEP` and, where the source has one, `UNIT`.
    `tolerance`: µs that a row with a value may be ahead of the clock, beside the grid's leeway.
    `labels`: those of the dataset's series; see `data.grid.labels`. `known`: what is stored of the dataset.
    `past`: the rows that the dataset has, with which constant stretches are compared. `before`: reads values of the
    dataset, which rows of closed days may repeat. Nothing is kept of a source whose rows all do.

    Raises InvalidInput, which names the source, the column and, where one row is wrong, that row.
    """
    roles, options = intake.roles, intake.options
    assert roles is not None  # noqa: S101 the intake has at least one row
    only_missing = intake.missing == intake.read  # planned covariates, or values taken back
    if intake.nulls + intake.non_finite == intake.read and not (grid is not None and only_missing):
        what = "a number" if intake.symbols is None else "a symbol"
        raise InvalidInput(f"no value in it is {what}; choose another column", source=source, column=roles.target)
    may_be_several = grid is None and not roles.ids and options.series is None
    inferred = grid is None and options.freq is None and options.every is None
    grid = _grid(intake, source, roles.time, grid)
    if grid.kind == "date" and grid.civil and intake.times.in_utc and not intake.times.at_midnight:
        raise open_days(intake.span[0], source, roles.time)
    season = options.season or grid.default_season
    latest, stored = latest_stamp(grid, clock.now(), tolerance), known or KnownRows()
    held_back = aggregation.of_source(intake, grid, source, stored.ends["last_stored"], latest)
    are_numbers = intake.symbols is None
    checks = Checks(ClockRule(intake, grid, latest, stored), held_back, before, may_be_several, are_numbers)
    parts, found = Spill(folder), Findings()
    for where, part in intake.parts():
        rows_before = past and past(where, part)
        frame, findings = _conform(part, grid, labels or {}, options, season, source, roles.time, checks, rows_before)
        found += findings
        if row_filter is not None and not frame.is_empty():
            frame = row_filter(where, frame)
        parts.add(frame.select(SERIES, TIME, VALUE, *(c for c in (*intake.covariates, SPLIT) if c in frame.columns)))
    _refuse_collapse(intake, found, grid, source)
    refuse_rejected(found.rejections, intake)
    if options.keep is None:
        refuse_clashes(found.clashes, grid, intake, options.every is not None)
    if not found.stamps and (found.rejections or known is None):
        raise InvalidInput(_why_none(found, grid), source=source, column=roles.time)
    if parts.rows == 0 and known is None:
        raise aggregation.nothing_complete(grid, source)
    horizon = options.horizon or common_test_length(found) or default_horizon(grid.freq, season)
    if min(season, horizon) < 1:
        raise InvalidInput("season and horizon count steps; give 1 or more", source=source)
    refuse_gap(found.longest_gap, grid, source, roles.time)
    report = QualityReport(
        source=source,
        id_column=",".join(roles.ids) or None,
        time_column=roles.time,
        target_column=roles.target,
        rows=intake.read,
        kept=found.kept,
        series=found.series,
        first=format_ds(min(found.stamps, default=intake.span[0]), grid.kind),
        last=format_ds(max(found.stamps, default=intake.span[1]), grid.kind),
        frequency=grid.freq,
        frequency_inferred=inferred,
        season=season,
        season_inferred=options.season is None,
        horizon=horizon,
        horizon_inferred=options.horizon is None,
        zone=options.tz,
        duplicates=found.duplicates,
        clashes=found.clashes.rows,
        first_clash=first_clash(found.clashes, grid, intake),
        keep=keep_of(options),
        every=grid.freq if options.every else None,
        held_back=found.held_back,
        steps_back=found.steps_back,
        snapped=found.snapped,
        rejected=sum(rejection.rows for rejection in found.rejections.values()),
        closed_dropped=found.closed_dropped,
        reasons={reason: rejection.to_dict(intake.pieces) for reason, rejection in found.rejections.items()},
        gaps=found.gaps,
        longest_gap=found.longest_gap,
        nulls=intake.nulls,
        non_finite=intake.non_finite,
        constant_stretches=found.stretches,
        longest_constant=found.longest_constant,
        worst_series=tuple(one.to_dict(grid.kind) for one in found.worst),
        covariates=intake.covariates,
        columns_ignored=intake.ignored,
        recognised=tuple(intake.recognised),
        symbols=len(intake.symbols.vocabulary) if intake.symbols else None,
    )
    unfinished = frozenset(intake.pieces[piece] for piece in found.unfinished)
    vocabulary = intake.symbols.vocabulary if intake.symbols else None
    others = found.labels, checks.clock.breaches, unfinished, vocabulary
    return Conformed(parts, report, grid, season, horizon, found.span, found.has_split, *others)


@dataclass(frozen=True)
class Checks:
    """What is checked in every part of a source."""

    clock: ClockRule
    aggregation: Aggregation | None
    before: ValuesBefore | None  # of the dataset, for rows of closed days
    may_be_several: bool = False  # whether the source is new and nothing says that it is one series
    are_numbers: bool = True  # symbols may stay as they are for long


def _why_none(found: Findings, grid: Grid) -> str:
    """Why no row is stored."""
    if found.closed:
        day = format_ds(found.closed[0], grid.kind)
        return f"every row is on a closed day: {day} {why_closed(grid, found.closed[0])}; check --freq and --tz"
    if found.closed_dropped:
        return "no row is on a day with a step, and none has a value of its own; check --freq and --tz"
    if OFF_GRID in found.rejections:
        return f"every row is off the grid of {grid.freq}; check --freq, or leave --snap no out"
    return "no row has a local time that exists; check --tz"


def _grid(intake: Intake, source: str, column: str, known: Grid | None) -> Grid:
    """The dataset's grid, or a new one with the frequency and the phase of the stamps."""
    options, every = intake.options, max(1, intake.read // SAMPLE)
    if options.every is not None:
        return aggregation.grid_for(intake, source, column, known)
    facts, samples = [pl.DataFrame()], []
    if options.freq is None or known is None:
        for _, part in intake.parts():
            if options.freq is None:
                facts.append(facts_of(with_codes(part), options.tz))
            if known is None:
                samples.append(part.select(TIME).gather_every(every))
    freq = find_frequency(pl.concat(facts, how="diagonal"), intake.dtype == pl.Int64, options, source, known)
    if known is not None:
        return known
    sample, *_ = to_stored_times(pl.concat(samples), freq, options.tz, source, column)
    return make_grid(freq, sample[TIME].to_numpy(), snap_of(options) or "nearest")


def _conform(
    part: pl.DataFrame,
    grid: Grid,
    labels: Mapping[str, int],
    options: SourceOptions,
    season: int,
    source: str,
    column: str,
    checks: Checks,
    past: pl.DataFrame | None,
) -> tuple[pl.DataFrame, Findings]:
    """A part of the series, conformed and sorted, and what was counted in it."""
    findings, part = Findings(), with_codes(part)
    if keep_of(options) is not None:
        part = part.with_columns(pl.col(TIME).to_physical().alias(STAMP))
    frame, shortened, without_time = to_stored_times(part, grid.freq, options.tz, source, column, grid.civil)
    findings.reject(without_time, NO_LOCAL_TIME)
    right = checks.clock.right_rows(frame)
    if right is not None:
        findings.reject(*without_value(frame, right))
        frame, shortened = frame.filter(pl.Series(right)), shortened[right]
    on_steps = place_rows(frame, replace(grid, snap="floor") if options.every else grid, labels)
    findings.reject(frame.filter(on_steps.off_grid), OFF_GRID)
    dropped, contradicting = compare_closed(on_steps.closed, on_steps.rows, checks.before)
    findings.reject(contradicting, CLOSED)
    findings += Findings(closed_dropped=dropped, closed=contradicting[TIME][:1].to_list())
    placed, stamps = on_steps.rows, on_steps.stamps
    if placed.is_empty():
        return placed, findings
    findings.stamps = [int(stamps.min()), int(stamps.max())]
    if checks.aggregation is not None:
        placed = checks.aggregation.complete_rows(placed, findings)
        if placed.is_empty():
            return placed, findings
    one = one_row_for_each_step(placed, stamps, keep_of(options), options.every is not None)
    final = one.rows
    contested = contested_rows(placed) if len(final) < len(placed) else placed.clear()
    clashes = count_clashes(contested)
    gaps, longest_gap = gaps_of(final)
    stretches = find_stretches(final, season, past) if checks.are_numbers else find_stretches(final.clear(), season)
    findings += Findings(
        kept=len(final),
        series=final[CODE].n_unique(),
        span=(int(final[TIME].min()), int(final[TIME].max())),  # type: ignore[arg-type]
        has_split=SPLIT in final.columns,
        duplicates=len(placed) - len(final),
        clashes=one.clashes,
        steps_back=one.steps_back,
        snapped=0 if options.every else int((on_steps.moved | shortened[on_steps.taken]).sum()),
        gaps=gaps,
        longest_gap=longest_gap,
        stretches=len(stretches.steps),
        longest_constant=stretches.longest,
        moments=part.select(SERIES, TIME).n_unique() if 2 * len(final) < len(placed) else len(final),
        contested=int(clashes["clashes"].sum()),
        keys=find_keys(placed, contested),
        interleaved=() if keep_of(options) else find_interleaved(on_steps.rows, stamps),
        named=find_named(on_steps.rows, stamps) if checks.may_be_several and not keep_of(options) else (),
        worst=find_worst(final, stretches, clashes),
        tested=test_lengths(final),
        labels=on_steps.labels,
    )
    return final, findings


def _refuse_collapse(intake: Intake, found: Findings, grid: Grid, source: str) -> None:
    """Raises InvalidInput where rows of several series are read as one, or most fall onto steps of other rows because
    the step is too long, and nothing says what is to become of them."""
    roles, options = intake.roles, intake.options
    if roles is None or options.keep is not None or options.every is not None:
        return
    keys = found.keys if most_repeat(found.contested, intake.read, found.kept) else ()
    clock = intake.second_time if intake.second_time in keys or 2 * found.kept <= intake.read else None
    if keys or clock:
        refuse_mixed_series(keys, clock, roles.ids, roles.time, intake.columns, source)
    if found.interleaved:
        refuse_interleaved(found.interleaved, roles.ids, intake.columns, source)
    if found.named:
        refuse_named(found.named, source)
    if found.moments > 2 * found.kept:
        raise InvalidInput(
            f"{grid.freq} is too long a step: {found.moments:,} times fall onto {found.kept:,} steps; give a shorter "
            f"--freq, or aggregate the rows with --every {grid.freq} --keep mean",
            source=source,
            column=roles.time,
        )


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
