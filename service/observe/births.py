"""Creates series that requests ask for: all that wait in one transaction, in the writer's thread.

The id is durable before a row of the series is stored. After a crash in between there is a series without values.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
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


class Newborn(NamedTuple):
    """A series that is to be created."""

    served: Served
    unique_id: str


class Birth(NamedTuple):
    """The integer id of a series, and whether this request created it."""

    series: int
    created: bool


@dataclass
class BirthRequest:
    """The series that one request asks for; `done` is given one answer for each, None beyond the quota."""

    newborn: Sequence[Newborn]
    done: "Future[list[Birth | None]]" = field(default_factory=Future)


class Births:
    """The requests that wait for the next transaction."""

    def __init__(
        self,
        engine: Engine,
        directory: LiveDirectory,
        metrics: Metrics,
        ask: Callable[[Callable[[], None]], object],
    ) -> None:
        """ask: queues an action of the writer's thread."""
        self._engine, self._directory, self._metrics, self._ask = engine, directory, metrics, ask
        self._waiting: list[BirthRequest] = []
        self._lock = threading.Lock()

    async def create(self, newborn: Sequence[Newborn]) -> list[Birth | None]:
        """Create series. Returns the id of each, also of those that exist by then; None beyond its dataset's quota.

        Raises StoreUnavailable: none was created.
        """
        request = BirthRequest(newborn)
        with self._lock:
            self._waiting.append(request)
            first = len(self._waiting) == 1
        if first:
            self._ask(self._create_waiting)
        return await asyncio.wrap_future(request.done)

    def _create_waiting(self) -> None:
        with self._lock:
            requests, self._waiting = self._waiting, []
        try:
            wanted = self._store([newborn for request in requests for newborn in request.newborn])
        except Exception as error:
            for request in requests:
                request.done.set_exception(error)
            raise
        for request in requests:
            request.done.set_result([_take(wanted, newborn) for newborn in request.newborn])

    def _store(self, newborn: Sequence[Newborn]) -> dict[tuple[int, str], Birth]:
        """One transaction for each dataset. Returns the births by dataset and name; none beyond a quota."""
        births: dict[tuple[int, str], Birth] = {}
        for served in {one.served.dataset.id: one.served for one in newborn}.values():
            dataset = served.dataset
            names = [one.unique_id for one in newborn if one.served.dataset.id == dataset.id]
            numbers = catalogue.ensure_series(self._engine, dataset.id, names, most=dataset.max_series)
            new = self._directory.add(SeriesRow(number, dataset.id, name) for name, number in numbers.items())
            created = {row.id for row in new}
            births |= {(dataset.id, name): Birth(number, number in created) for name, number in numbers.items()}
            if created:
                log.info("dataset %s: %d series created", served.name, len(created))
                self._metrics.created(served.name, len(created))
        return births


def _take(births: dict[tuple[int, str], Birth], newborn: Newborn) -> Birth | None:
    """The birth of one series; whoever asks for it again is told that it exists."""
    key = newborn.served.dataset.id, newborn.unique_id
    birth = births.get(key)
    if birth is not None:
        births[key] = Birth(birth.series, False)
    return birth
