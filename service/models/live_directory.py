"""The directory that requests read, and the one place where it grows."""

import threading
from collections.abc import Iterable, Sequence

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
        """Add datasets, and series of any dataset that is known. Returns the series that were not known yet."""
        with self._lock:
            named = {served.name: served for served in datasets}
            known = {served.dataset.id: served for served in (*self.current.datasets.values(), *datasets)}
            new = [row for row in series if row.unique_id not in known[row.dataset_id].series]
            for row in new:
                known[row.dataset_id].series[row.unique_id] = row.id
            if new or named:
                self.current = self.current.plus(named, [(row.unique_id, known[row.dataset_id].name) for row in new])
        return new
