"""Which frequency a source has, and its stamps as they are kept on the inside.

From a day up a stamp is a civil date, kept as 00:00 UTC and never converted; below, it is an instant, and a local time
needs its zone. Where clocks are put forward or back, a local time that does not exist or exists twice is no time.
"""

from collections import defaultdict
from typing import Any

import numpy as np
import polars as pl

from data.errors import InvalidInput
from data.grid.durations import DAY, FIXED, HOUR, LARGER, MINUTE, SECOND, kind_of, parse_frequency
from data.grid.grid import Grid
from data.schema import SERIES, TIME, TimeKind
from data.sources.columns import CODE, check_zone
from data.sources.resolve import SourceOptions

VOTES = 6  # rows from which a series has a say in the frequency: six days in a row hold a weekend
USUAL = tuple(unit * count for unit in (SECOND, MINUTE) for count in (1, 2, 5, 10, 15, 20, 30))
USUAL += tuple(HOUR * count for count in (1, 2, 3, 4, 6, 8, 12))


def find_frequency(facts: pl.DataFrame, steps: bool, options: SourceOptions, source: str, grid: Grid | None) -> str:
    """The frequency that was said, that the dataset has, or that the stamps show.

    `facts` are those of all series, by `facts_of`; `steps`, whether their times are integers.
    """
    said = parse_frequency(options.freq) if options.freq else None
    expected = said or (grid.freq if grid else None)
    if expected and steps != (kind_of(expected) == "step"):
        held = "integer steps" if steps else "times"
        raise InvalidInput(f"frequency {expected} does not fit a column of {held}; check --time-col", source=source)
    if grid is not None:
        _refuse_other_frequency(facts, steps, said, grid, source)
        return grid.freq
    if said is not None:
        return said
    votes = _votes(facts, steps)
    if not votes:
        raise InvalidInput("too few rows to see a frequency; say it with --freq", source=source)
    if len(votes) > 1:
        counts = sorted(votes.items(), key=lambda vote: -len(vote[1]))
        table = "; ".join(f"{freq}: {len(ids)} series ({', '.join(ids[:3])} …)" for freq, ids in counts)
        raise InvalidInput(f"it holds several frequencies ({table}); split it, or say one with --freq", source=source)
    return next(iter(votes))


def _refuse_other_frequency(facts: pl.DataFrame, steps: bool, said: str | None, grid: Grid, source: str) -> None:
    """Refuse a source of another frequency than its dataset's; a few rows prove nothing."""
    sparse = {"1b": ("1b", "1d"), "1d": ("1d", "1b")}.get(grid.freq, ("1b", "1d") if grid.sessions else (grid.freq,))
    other = [said] if said else [freq for freq in _votes(facts, steps, fewest=VOTES) if freq not in sparse]
    if other and other[0] != grid.freq:
        raise InvalidInput(f"it has frequency {other[0]}, its dataset {grid.freq}; use another name", source=source)


def facts_of(frame: pl.DataFrame) -> pl.DataFrame:
    """For each series of a coded frame: rows, median distance, whether on weekdays, usual distance and its count, and
    how many distances are whole multiples of it."""
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

    A series shows the distance of most neighbours, or of a quarter of them where nearly all others are multiples of it:
    there rows are absent. If there is none, the everyday distance nearest the median. Short series have a say only
    where there are no others.
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


def _nearest_usual(step: float) -> int:
    """For stamps at no fixed distance: the everyday step nearest in ratio; whole days as they are."""
    return round(step / DAY) * DAY if step >= 0.75 * DAY else min(USUAL, key=lambda usual: abs(np.log(usual / step)))


def to_stored_times(
    frame: pl.DataFrame, freq: str, zone: str | None, source: str, column: str
) -> tuple[pl.DataFrame, np.ndarray[Any, np.dtype[np.bool_]]]:
    """`ds` as int64 by the kind of frequency, without rows whose local time does not exist or exists twice.

    Beside it, for each row kept, whether a date lost its time of day.
    """
    times, kind = frame[TIME], kind_of(freq)
    zone = check_zone(zone) if zone else None
    unmoved = np.zeros(len(frame), dtype=np.bool_)
    if kind == "step":
        return frame, unmoved
    aware = getattr(times.dtype, "time_zone", None) is not None
    if kind == "date":  # a civil date: local where there is a zone, and from then on of no zone
        local = times.dt.convert_time_zone(zone or "UTC").dt.replace_time_zone(None) if aware else times
        micros = local.to_physical()
        return frame.with_columns((micros // DAY * DAY).alias(TIME)), (micros % DAY != 0).to_numpy()
    if aware:
        return frame.with_columns(times.to_physical()), unmoved
    if zone is None:
        raise InvalidInput(
            "its times have no offset; say their zone with --tz, such as --tz UTC", source=source, column=column
        )
    utc = times.dt.replace_time_zone(zone, ambiguous="null", non_existent="null").to_physical()
    kept = utc.is_not_null()
    return frame.with_columns(utc.alias(TIME)).filter(kept), unmoved[: int(kept.sum())]
