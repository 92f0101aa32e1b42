"""Labels: which day of its period a series writes for a step of several days.

A step of weeks, months, quarters or years is stored as its first day. A source may write another one: the Sunday of
each week, or the last day of each month. Each series keeps its own as a label: the days after the period's first day,
or END for its last day. Labels are applied where a stamp leaves, and undone where one enters; log, lake and states know
the first day alone.

All stamps are int64 µs of midnights. `starts` and `stops` are the first day of the period of each stamp, and that of
the period after it.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from data.grid.durations import DAY

Ints = npt.NDArray[np.int64]

END = -1  # the last day of the period, whatever its length
NEARLY_ALL = 0.9  # of the stamps of a series have to agree


def labels_of(labels: Mapping[int, int], series: Sequence[int]) -> Ints:
    """(n,) the label of each series, by integer id; 0, the first day, for one that is not among the known `labels`."""
    if not labels:
        return np.zeros(len(series), np.int64)
    return np.array([labels.get(number, 0) for number in series], np.int64)


def label_stamps(starts: Ints, stops: Ints, labels: npt.ArrayLike) -> Ints:
    """(n,) the day that a series with this label writes for each period.

    A label beyond a short period means its last day: a series of the 30th writes 28 February.
    """
    wanted, last = np.asarray(labels, np.int64), stops - DAY
    return np.where(wanted == END, last, np.minimum(starts + wanted * DAY, last))


def fits(stamps: Ints, starts: Ints, stops: Ints, labels: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """(n,) whether each stamp is one that a series with this label writes. With END each day from the last weekday of
    the period on does, so that ends of business months are ends of months."""
    at_end = (np.asarray(labels, np.int64) == END) & from_last_weekday(stamps, stops)
    return at_end | (stamps == label_stamps(starts, stops, labels))


def find_week_labels(groups: Ints, stamps: Ints, starts: Ints) -> Ints:
    """(g,) label of each series for periods of a fixed number of days: the most frequent one, the earlier of two.

    groups: (n,) the series of each stamp, 0 to g - 1.
    """
    return _most_frequent(groups, (stamps - starts) // DAY)


def find_month_labels(groups: Ints, stamps: Ints, starts: Ints, stops: Ints) -> Ints:
    """(g,) label of each series for periods of whole months.

    END where nearly all of its stamps lie between the last weekday and the last day of their period; else the days
    after the period's first day on which nearly all agree; else 0.
    """
    days = _most_frequent(groups, (stamps - starts) // DAY)
    agree = _share(groups, fits(stamps, starts, stops, days[groups])) >= NEARLY_ALL
    at_end = _share(groups, from_last_weekday(stamps, stops)) >= NEARLY_ALL
    return np.where(at_end, END, np.where(agree, days, 0))


def from_last_weekday(stamps: Ints, stops: Ints) -> npt.NDArray[np.bool_]:
    """(n,) whether a stamp is the last weekday of its period, or a day after it."""
    last = stops // DAY - 1
    weekday = (last + 3) % 7  # 0: Monday; 1970-01-01 was a Thursday
    return np.asarray(stamps // DAY >= last - np.maximum(weekday - 4, 0))


def _most_frequent(groups: Ints, days: Ints) -> Ints:
    """(g,) the most frequent of the days of each group, the smallest of several."""
    pairs, counts = np.unique(np.stack([groups, days]), axis=1, return_counts=True)
    order = np.lexsort((-pairs[1], counts, pairs[0]))
    last = np.append(np.diff(pairs[0][order]) != 0, True)
    return pairs[1][order][last]


def _share(groups: Ints, holds: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """(g,) the share of each group's rows for which something holds."""
    return np.bincount(groups, holds) / np.bincount(groups)
