"""A dataset's scores hour by hour: what was settled in each hour, under the version that served then.

The table `scores` keeps running sums at the end of each hour, so that an hour is the difference of two of them. What
was settled while a service caught up counts in the hour in which it did. Where a deletion has taken sums back, the hour
has no scores.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from sqlalchemy import Engine

from data.grid.durations import HOUR, bar_of, length_of
from data.grid.stamps import format_moment
from data.records import scores
from data.store.catalogue import Dataset
from data.store.promotions import Serving
from forecasting.rolling.online_scores import SUMS, Totals, measures

HOURS = 72
SETTLED = SUMS.index("settled")
HourlySums = dict[int, np.ndarray]  # by hour since 1970: raw and scaled sums (2, len(SUMS)) over all horizon steps


def hourly_scores(
    engine: Engine, dataset: Dataset, serving: Sequence[Serving], series: int, now: int
) -> list[dict[str, Any]]:
    """One line for each of the last HOURS hours, oldest first; the last one has just begun.

    serving: the decisions by which versions of the dataset served; series: how many it has; now: µs since 1970 UTC.
    """
    last = now // HOUR
    hours = range(last - HOURS + 1, last + 1)
    sums = _sums(engine, dataset.id, serving, hours[0], last)
    began = serving[0].decided_at // HOUR if serving else last + 1
    return [_line(dataset, hour, sums.get(hour), series, now) if hour >= began else _unknown(hour) for hour in hours]


def _unknown(hour: int) -> dict[str, Any]:
    """The line of an hour in which no model served."""
    return {"at": format_moment(hour * HOUR), "n": None, "fresh": None, "coverage_80": None, "skill": None}


def _line(dataset: Dataset, hour: int, sums: np.ndarray | None, series: int, now: int) -> dict[str, Any]:
    found = measures(*(np.zeros((2, len(SUMS))) if sums is None else sums))
    expected = series * _steps(dataset, hour * HOUR, min((hour + 1) * HOUR, now))
    fresh = min(1.0, float(found["n"] or 0) / expected) if expected else None
    scored = {name: found[name] for name in ("n", "coverage_80", "skill")}
    return {"at": format_moment(hour * HOUR), "fresh": fresh, **scored}


def _steps(dataset: Dataset, start: int, end: int) -> int:
    """The steps of the grid that end within a time; 0 where they are longer than an hour, or not of time."""
    if dataset.kind != "instant" or length_of(bar_of(dataset.freq) or dataset.freq) > HOUR:
        return 0
    first, last = dataset.grid.steps([start, end]).tolist()
    return max(0, int(last - first))


def _sums(engine: Engine, dataset_id: int, serving: Sequence[Serving], first: int, last: int) -> HourlySums:
    """What was settled in each hour from `first` to `last`."""
    found: HourlySums = {}
    for place, decision in enumerate(serving, 1):
        end = serving[place].decided_at // HOUR if place < len(serving) else last
        if end < first:
            continue
        for hour, sums in _differences(engine, dataset_id, decision.id, first):
            if hour <= end and sums[0, SETTLED] >= 0:
                found[hour] = found.get(hour, 0) + sums
    return found


def _differences(engine: Engine, dataset_id: int, promotion_id: int, first: int) -> Iterator[tuple[int, np.ndarray]]:
    """What each running sum of a promotion adds to the one before it, by hour."""
    earlier = scores.before(engine, dataset_id, promotion_id, first * HOUR - 1)
    tallies = scores.history(engine, dataset_id, promotion_id, first * HOUR)
    begin = np.zeros((2, len(SUMS))) if earlier is None else _over_steps(earlier.totals)
    sums = [begin, *(_over_steps(tally.totals) for tally in tallies)]
    for tally, (before, after) in zip(tallies, pairwise(sums), strict=True):
        yield tally.at // HOUR, after - before


def _over_steps(totals: dict[str, Any]) -> np.ndarray:
    """(2, len(SUMS)) raw and scaled sums over all horizon steps."""
    found = Totals.from_dict(totals)
    return np.stack([found.raw.sum(0), found.scaled.sum(0)])
