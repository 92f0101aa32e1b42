"""The directory that requests read, and the one place where it changes."""

import threading
from collections.abc import Collection, Iterable, Mapping, Sequence

from data.store.catalogue import SeriesRow
from service.models.datasets import Directory, Served


class LiveDirectory:
    """Two threads add to it: the watcher what it found in the store, the writer what requests created.

    `current` is replaced as one reference, so that a request sees one directory; it may know series created since.
    """

    def __init__(self) -> None:
        self.current = Directory()
        self._lock = threading.Lock()

    def add(self, series: Iterable[SeriesRow], datasets: Sequence[Served] = ()) -> list[SeriesRow]:
        """Add datasets, and series of those that are known. Returns the series that were not known yet.

        A series of another dataset is left out: that dataset was deleted meanwhile.
        """
        with self._lock:
            named = {served.name: served for served in datasets}
            known = {served.dataset.id: served for served in (*self.current.datasets.values(), *datasets)}
            rows = [row for row in series if row.dataset_id in known]
            new = [row for row in rows if row.unique_id not in known[row.dataset_id].series]
            for row in new:
                known[row.dataset_id].series[row.unique_id] = row.id
            if new or named:
                self.current = self.current.plus(named, [(row.unique_id, known[row.dataset_id].name) for row in new])
        return new

    def remove(self, datasets: Collection[Served], series: Mapping[int, Collection[str]]) -> None:
        """Remove datasets, and series of others by the dataset's id. Requests that run end with what they found."""
        with self._lock:
            keys = set()
            for served in self.current.datasets.values():
                if gone := set(series.get(served.dataset.id, ())):
                    for name in gone & served.series.keys():
                        served.labels.pop(served.series[name], None)
                    served.series = {name: number for name, number in served.series.items() if name not in gone}
                    keys |= {(unique_id, served.name) for unique_id in gone}
            self.current = self.current.without({served.name for served in datasets}, keys)
