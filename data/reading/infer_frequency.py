"""Infers the frequency of a source from the distances between its stamps."""

from collections import defaultdict

import numpy as np
import polars as pl

from data.errors import InvalidInput
from data.formats.options import SourceOptions
from data.grid.durations import DAY, FIXED, HOUR, LARGER, MINUTE, SECOND, bar_of, kind_of, parse_frequency
from data.grid.grid import Grid
from data.reading.columns import CODE
from data.schema import SERIES, TIME, TimeKind
from data.times.zones import OFFSET, has_zone, local_times

VOTES = 6  # rows that a series needs to count: six days in a row include a weekend day
USUAL = tuple(unit * count for unit in (SECOND, MINUTE) for count in (1, 2, 5, 10, 15, 20, 30))
USUAL += tuple(HOUR * count for count in (1, 2, 3, 4, 6, 8, 12))


def find_frequency(facts: pl.DataFrame, steps: bool, options: SourceOptions, source: str, grid: Grid | None) -> str:
    """The frequency that the user gave, that the dataset has, or that the stamps show.

    `facts` are those of all series, by `facts_of`; `steps`: whether times are integers. Raises InvalidInput where the
    frequency does not fit the times or the dataset, or where the stamps show none or several.
    """
    given = parse_frequency(options.freq) if options.freq else None
    expected = given or (grid.freq if grid else None)
    if expected and steps != (kind_of(expected) == "step"):
        held, hint = ("integer steps", "--time-col or --date-format") if steps else ("times", "--time-col")
        raise InvalidInput(f"frequency {expected} does not fit a column of {held}; check {hint}", source=source)
    if grid is not None:
        _refuse_other_frequency(facts, steps, given, grid, source)
        return grid.freq
    if given is not None:
        return given
    votes = _votes(facts, steps)
    if not votes:
        raise InvalidInput("too few rows to infer a frequency; give it with --freq", source=source)
    if len(votes) > 1:
        counts = sorted(votes.items(), key=lambda vote: -len(vote[1]))
        table = "; ".join(f"{freq}: {len(ids)} series ({', '.join(ids[:3])} …)" for freq, ids in counts)
        raise InvalidInput(f"it holds several frequencies ({table}); split it, or give one with --freq", source=source)
    return next(iter(votes))


def _refuse_other_frequency(facts: pl.DataFrame, steps: bool, given: str | None, grid: Grid, source: str) -> None:
    """Raises InvalidInput for a source of another frequency than its dataset. Short series do not count."""
    other = [given] if given else [freq for freq in _votes(facts, steps, fewest=VOTES) if freq not in _shown_by(grid)]
    if other and other[0] != grid.freq:
        raise InvalidInput(f"it has frequency {other[0]}, its dataset {grid.freq}; use another name", source=source)


def _shown_by(grid: Grid) -> tuple[str, ...]:
    """The frequencies that stamps of a dataset may show. Few bars of a session stand for any distance of hours."""
    if grid.bars:
        bar = bar_of(grid.freq) or ""
        return (bar, *(frequency_of_distance(step, "instant") for step in USUAL)) if grid.bars.usual < 4 else (bar,)
    if grid.sessions or grid.freq in ("1b", "1d"):
        return "1b", "1d"
    return (grid.freq,)


def facts_of(frame: pl.DataFrame, zone: str | None = None) -> pl.DataFrame:
    """A row for each series of a frame with CODE: `unique_id`, `rows`, the `median` distance of stamps, whether all are
    on `weekdays`, the most frequent distance `step`, its count `n`, and `whole`, how many distances are its multiples.

    Where stamps are days apart the dates in `zone`, or those of their own places, are compared: a change of clocks
    makes no day longer.
    """
    frame = frame.select(SERIES, CODE, TIME, *(c for c in (OFFSET,) if c in frame.columns))
    facts = _facts_of(frame)
    days = facts["median"].max()
    if has_zone(frame[TIME]) and isinstance(days, float) and days >= DAY - HOUR:
        return _facts_of(frame.with_columns(local_times(frame, zone).alias(TIME)))
    return facts


def _facts_of(frame: pl.DataFrame) -> pl.DataFrame:
    ordered = frame.select(CODE, pl.col(TIME).to_physical().alias("t")).sort(CODE, "t")
    step = pl.when(pl.col(CODE) == pl.col(CODE).shift(1)).then(pl.col("t").diff())
    between = ordered.with_columns(step.alias("step")).filter(pl.col("step").is_null() | (pl.col("step") > 0))
    dated = frame.schema[TIME] != pl.Int64
    weekday = (pl.from_epoch("t", "us").dt.weekday() <= 5).all() if dated else pl.lit(False)
    median = pl.col("step").median()
    facts = between.group_by(CODE).agg(pl.len().alias("rows"), median.alias("median"), weekday.alias("weekdays"))
    counts = between.drop_nulls().group_by(CODE, "step").agg(pl.len().alias("n"))
    fits = pl.col("step") % pl.col("step").first() == 0
    modes = counts.sort("n", "step", descending=[True, False]).group_by(CODE, maintain_order=True).agg(
        pl.col("step").first(), pl.col("n").first(), pl.col("n").filter(fits).sum().alias("whole")
    )  # fmt: skip
    names = frame.select(SERIES, CODE).unique()
    return names.join(facts, on=CODE).join(modes, on=CODE).drop(CODE)


def _votes(facts: pl.DataFrame, steps: bool, fewest: int = 2) -> dict[str, list[str]]:
    """Frequency -> the series that show it.

    A series shows the distance that at least half of the neighbours have; or a quarter of them, where nearly all
    others are multiples of it, because rows are missing. Otherwise it shows the usual distance nearest to the median.
    Series of fewer than VOTES rows count only where there are no others.
    """
    kind: TimeKind = "step" if steps else "instant"
    facts = facts.filter(pl.col("rows") >= fewest).sort(SERIES)
    voting = facts.filter(pl.col("rows") >= VOTES)
    votes: dict[str, list[str]] = defaultdict(list)
    for unique_id, rows, median, weekdays, step, n, whole in (facts if voting.is_empty() else voting).iter_rows():
        shown = 2 * n >= rows - 1 or (4 * n >= rows - 1 and whole >= 0.99 * (rows - 1))
        usual = step if shown or kind == "step" else _nearest_usual(median)
        votes[frequency_of_distance(usual, kind, weekdays and rows >= VOTES)].append(unique_id)
    return votes


def frequency_of_distance(step: int, kind: TimeKind, weekdays_only: bool = False) -> str:
    """The frequency whose step is nearest to a distance between stamps: microseconds, or integers for kind "step".

    `weekdays_only`: no stamp is on a Saturday or Sunday; a distance of a day is then that of weekdays.
    """
    if kind == "step":
        return str(max(step, 1))
    step = _without_drift(step)
    if step < DAY:
        unit = next(u for u in ("h", "m", "s", "ms", "us") if step % FIXED[u] == 0)
        return f"{step // FIXED[unit]}{unit}"
    days = round(step / DAY)
    if days == 1 and weekdays_only:
        return "1b"
    months = round(days / 30.4369)
    if months and abs(days - months * 30.4369) <= 2:  # 91 days are a quarter, 28 are four weeks
        freq = f"{months}mo"
        return f"{months // 12}y" if months % 12 == 0 else LARGER.get(freq, freq)
    return f"{days // 7}w" if days % 7 == 0 else f"{days}d"


def _without_drift(step: int) -> int:
    """The usual step that a distance misses by less than a ten-thousandth, as that of a clock which drifts; else it."""
    usual = min(USUAL, key=lambda usual: abs(usual - step))
    return usual if abs(usual - step) * 10_000 < usual else step


def _nearest_usual(step: float) -> int:
    """For stamps without a fixed distance: the usual step nearest in ratio; from 0.75 days on, whole days."""
    return round(step / DAY) * DAY if step >= 0.75 * DAY else min(USUAL, key=lambda usual: abs(np.log(usual / step)))
