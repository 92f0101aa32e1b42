"""Creates series that requests ask for: all that wait in one transaction, in the writer's thread.

The id is durable before a row of the series is stored. After a crash in between there is a series without values.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import Engine

from data.store import catalogue
from data.store.catalogue import SeriesRow
from service.base.metrics import Metrics
from service.models.datasets import Served
from service.models.live_directory import LiveDirectory

log = logging.getLogger("rollcast.service")

SeriesKey = tuple[int, str]  # (dataset_id, unique_id)


class UnbornSeries(NamedTuple):
    """A series that is to be created, or one whose label is to be stored.

    label: what its first stamps show (see `data.grid.labels`), kept unless one is stored already; None without a stamp.
    """

    served: Served
    unique_id: str
    label: int | None = None


class CreatedSeries(NamedTuple):
    """The integer id of a series, and whether this request created it."""

    series: int
    created: bool


@dataclass
class CreationRequest:
    """The series that one request asks for; `done` is given one answer for each, None beyond the quota."""

    new_series: Sequence[UnbornSeries]
    done: "Future[list[CreatedSeries | None]]" = field(default_factory=Future)


class SeriesCreator:
    """Collects the requests that wait for the next transaction."""

    def __init__(
        self,
        engine: Engine,
        directory: LiveDirectory,
        metrics: Metrics,
        ask: Callable[[Callable[[], None]], object],
    ) -> None:
        """ask: queues an action of the writer's thread."""
        self._engine, self._directory, self._metrics, self._ask = engine, directory, metrics, ask
        self._waiting: list[CreationRequest] = []
        self._lock = threading.Lock()

    async def create(self, new_series: Sequence[UnbornSeries]) -> list[CreatedSeries | None]:
        """Create series. Returns the id of each, also of those that exist by then; None beyond its dataset's quota.

        Raises StoreUnavailable: none was created.
        """
        request = CreationRequest(new_series)
        with self._lock:
            self._waiting.append(request)
            first = len(self._waiting) == 1
        if first:
            self._ask(self._create_waiting)
        return await asyncio.wrap_future(request.done)

    def _create_waiting(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
        requests = [request for request in waiting if request.done.set_running_or_notify_cancel()]
        try:
            stored = self._store([series for request in requests for series in request.new_series])
        except Exception as error:
            for request in requests:
                request.done.set_exception(error)
            raise
        for request in requests:
            request.done.set_result([_take(stored, series) for series in request.new_series])

    def _store(self, new_series: Sequence[UnbornSeries]) -> dict[SeriesKey, CreatedSeries]:
        """One transaction for each dataset. Those beyond its quota are left out."""
        stored: dict[SeriesKey, CreatedSeries] = {}
        for served in {series.served.dataset.id: series.served for series in new_series}.values():
            dataset = served.dataset
            names = [series.unique_id for series in new_series if series.served is served]
            ids = catalogue.ensure_series(self._engine, dataset.id, names, most=dataset.max_series)
            served.labels.update(self._keep_labels(served, new_series, ids))
            new = self._directory.add(SeriesRow(number, dataset.id, name) for name, number in ids.items())
            created = {row.id for row in new}
            stored |= {(dataset.id, name): CreatedSeries(number, number in created) for name, number in ids.items()}
            if created:
                log.info("dataset %s: %d series created", served.name, len(created))
                self._metrics.created(served.name, len(created))
        return stored

    def _keep_labels(
        self, served: Served, new_series: Sequence[UnbornSeries], ids: Mapping[str, int]
    ) -> Mapping[int, int]:
        """Store the labels that the requests' stamps show, the first of several. Returns what is stored."""
        shown: dict[int, int] = {}
        for series in new_series:
            if series.served is served and series.label is not None and series.unique_id in ids:
                shown.setdefault(ids[series.unique_id], series.label)
        return catalogue.keep_labels(self._engine, served.dataset, shown)


def _take(stored: dict[SeriesKey, CreatedSeries], series: UnbornSeries) -> CreatedSeries | None:
    """The answer for one series; whoever asks for it again is told that it exists."""
    key = series.served.dataset.id, series.unique_id
    found = stored.get(key)
    if found is not None:
        stored[key] = CreatedSeries(found.series, created=False)
    return found
