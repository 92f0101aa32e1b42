"""Series of a dataset grouped by the next part of their ids, such as `plant/line3/`, each with its worst member."""

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import Any, NamedTuple

import numpy as np

from data.store.series_patterns import Patterns
from service.models.datasets import Directory, Served
from service.models.listing import Listing
from states.views.trouble import CLASSES, SOUND, words_of

SEPARATOR = "/"
CACHED = 64  # groupings
MAX_GROUPS = 1_000  # of one answer


class Grouping(NamedTuple):
    """Which group each series of a dataset is in, for one prefix."""

    names: Sequence[str]  # of the groups: prefix and next part with the separator; "" for ids without a further part
    group: np.ndarray  # (n,) index into `names`
    series: np.ndarray  # (n,) ids, ascending


class Groups:
    """Groupings that were made before: making one reads every id of a dataset. From any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._made: OrderedDict[tuple[str, str, Patterns], tuple[Sequence[Listing], Grouping]] = OrderedDict()

    def of(self, directory: Directory, dataset: str, prefix: str) -> Grouping:
        """The groups of one dataset's series whose ids begin with a prefix; of those that the caller's key reaches."""
        listings = [part.within(directory.reach) for part in (directory.listing, directory.recent)]
        key = dataset, prefix, directory.reach
        with self._lock:
            held, made = self._made.get(key, ((), None))
            if made is None or any(a is not b for a, b in zip(held, listings, strict=True)):
                ids = [unique_id for part in listings for unique_id, name in part.keys if name == dataset]
                made = group(directory.datasets[dataset], ids, prefix)
                self._made[key] = listings, made
            self._made.move_to_end(key)
            while len(self._made) > CACHED:
                self._made.popitem(last=False)
        return made


def group(served: Served, ids: Sequence[str], prefix: str) -> Grouping:
    """Group ids by what follows a prefix, up to the next separator."""
    own = [(_group_of(name, prefix), served.series.get(name)) for name in ids if name.startswith(prefix)]
    known = [(name, number) for name, number in own if number is not None]
    names = sorted({name for name, _ in known})
    place = {name: number for number, name in enumerate(names)}
    series = np.array([number for _, number in known], np.int64)
    order = np.argsort(series)
    return Grouping(names, np.array([place[name] for name, _ in known], np.int64)[order], series[order])


def _group_of(unique_id: str, prefix: str) -> str:
    end = unique_id.find(SEPARATOR, len(prefix))
    return "" if end < 0 else unique_id[: end + 1]


def lines(served: Served, grouping: Grouping) -> list[dict[str, Any]]:
    """Each group: the number of its series, how many have which trouble, and the worst of them; the worst first."""
    kind, size = _trouble_of(served, grouping)
    groups = len(grouping.names)
    counts = np.zeros((groups, len(CLASSES)), np.int64)
    troubled = kind > SOUND
    np.add.at(counts, (grouping.group[troubled], kind[troubled]), 1)
    total = np.bincount(grouping.group, minlength=groups)
    order = np.lexsort((grouping.series, -size, -kind, grouping.group))
    worst = order[np.searchsorted(grouping.group[order], np.arange(groups))]
    ranking = np.lexsort((np.arange(groups), -size[worst], -kind[worst]))[:MAX_GROUPS]
    return [
        {
            "prefix": grouping.names[place],
            "series": int(total[place]),
            "counts": {CLASSES[k]: int(counts[place, k]) for k in reversed(range(len(CLASSES))) if counts[place, k]},
            "worst": {
                "unique_id": served.name_of(int(grouping.series[first])),
                "trouble": words_of(int(kind[first]), float(size[first])),
            },
        }
        for place, first in zip(ranking.tolist(), worst[ranking].tolist(), strict=True)
    ]


def _trouble_of(served: Served, grouping: Grouping) -> tuple[np.ndarray, np.ndarray]:
    """(n,) class and size of each series of a grouping; those without a state have none."""
    kind, size = np.full(len(grouping.series), SOUND, np.int64), np.zeros(len(grouping.series))
    if served.champion is not None and len(grouping.series):
        found = served.trouble.now(served.champion, served.judge.held)
        place = np.minimum(np.searchsorted(grouping.series, found.series), len(grouping.series) - 1)
        own = grouping.series[place] == found.series
        kind[place[own]], size[place[own]] = found.kind[own], found.size[own]
    return kind, size
