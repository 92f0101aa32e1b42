"""What the routes share: the store, the directory of series, and the threads, which are started and stopped here."""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import Engine

from data import clock, service_lock
from data.errors import StoreUnavailable
from data.records.idempotency import find
from data.service_lock import ServiceLock
from data.settings import Settings
from data.store import database
from service.background.rebuilder import Rebuilder
from service.background.watcher import Watcher
from service.base import gc_tuning
from service.base.metrics import Metrics
from service.forecast.forecast_cache import ForecastCache
from service.forecast.stateless import StatelessAnswers
from service.history.as_of import Recomputer
from service.http.errors import DETAILS, error_list, not_available
from service.http.keyring import Keyring
from service.models.changes import Changes
from service.models.datasets import Directory, Served
from service.models.flow_successes import FlowSuccesses
from service.models.gauges import Gauges
from service.models.groups import Groups
from service.models.live_directory import LiveDirectory
from service.models.scrape_facts import FactsReader
from service.models.series_feed import SeriesFeed
from service.observe import closed_rows
from service.observe.arrivals import ReceivedRows
from service.observe.closed_rows import ClosedRow
from service.observe.coalescing import RequestCoalescer
from service.observe.idempotency import KeyedRequest, KeysInProgress, check
from service.observe.receipts import Receipt
from service.observe.series_creation import CreatedSeries, SeriesCreator, UnbornSeries
from service.observe.write_batch import ObserveRequest
from service.observe.writer import Writer
from states.past.effective_memories import EffectiveMemories

log = logging.getLogger("rollcast.service")

ROLL_OUTS = 2  # answers about symbols that are computed at once, beside the event loop
MAX_BACKLOG = 4096  # requests that wait for the writer; beyond it they are answered 503


@dataclass(frozen=True)
class Readiness:
    """Whether requests are answered; if not, the reason in one sentence."""

    ready: bool
    reason: str | None


class Runtime:
    """Starts at once and restores the states in the background; `readiness` says when requests are answered."""

    def __init__(self, settings: Settings, clock: Callable[[], int] = clock.now) -> None:
        """clock: microseconds since 1970 UTC."""
        self.settings, self.clock = settings, clock
        self._directory = LiveDirectory()
        self.changes = Changes()
        self.notices: dict[int, tuple[np.ndarray, bytes]] = {}  # the newest of each dataset, as it was written
        self.metrics = Metrics()
        self.gauges = Gauges(self.metrics.registry)
        self.keyring = Keyring(clock)
        self._engine = database.connect(settings.database_url, checkpoints=True)
        self._lock = ServiceLock(self._engine)
        self._migrated = threading.Event()
        self._writer = Writer(
            self._engine,
            self.metrics,
            settings.snapshot_every_s,
            self.served,
            settings.idempotency_keep_s,
            self.changes,
            settings.vintages_bytes,
        )
        self._creator = SeriesCreator(self._engine, self._directory, self.metrics, self._writer.ask)
        self._coalescer = RequestCoalescer(self._writer.observe)
        self.flow_successes = FlowSuccesses(self.engine)
        self.in_progress = KeysInProgress()
        self.groups = Groups()
        self.series_feed = SeriesFeed()
        self.recomputer = Recomputer(clock)
        self.stateless = StatelessAnswers()
        self.roll_outs = asyncio.Semaphore(ROLL_OUTS)
        self.effective_memories = EffectiveMemories()
        self.scrape_facts = FactsReader(self.engine, settings.home, self.effective_memories)
        self.forecast_cache = ForecastCache(settings.forecast_cache_bytes)
        self._rebuilder = Rebuilder(self.engine, self._writer, self.metrics, self.served, settings.poll_every_s)
        self._watcher = Watcher(
            self._engine_of_ours,
            self._writer,
            self.metrics,
            self._directory,
            self.keyring.refresh,
            self.forecast_cache.expire,
            settings.poll_every_s,
            settings.snapshot_every_s,
        )

    def start(self) -> None:
        """Start the threads. Raises AlreadyRunning where another service has the store; nothing is started then."""
        try:
            self._lock.take(service_lock.PATIENCE_S)
        except StoreUnavailable as error:
            log.warning("the service waits for the live store: %s", error)  # the watcher tries again
        self._writer.start()
        self._watcher.start()
        self._rebuilder.start()

    def stop(self) -> None:
        """Store the observations that were accepted, write the snapshots, close the store."""
        self._watcher.stop()
        self._rebuilder.stop()
        self._writer.stop()
        self._write_key_uses()
        self._lock.release()
        self._engine.dispose()
        gc_tuning.thaw()

    def engine(self) -> Engine:
        """The store; its tables are migrated the first time it answers. Raises StoreUnavailable."""
        if not self._migrated.is_set():
            database.migrate(self._engine)
            self._migrated.set()
        return self._engine

    def _engine_of_ours(self) -> Engine:
        """The same, while no other service has it. Raises AlreadyRunning too."""
        self._lock.take()
        return self.engine()

    @property
    def directory(self) -> Directory:
        """The datasets and series as they are known now."""
        return self._directory.current

    def served(self) -> Sequence[Served]:
        return list(self.directory.datasets.values())

    @property
    def backlog(self) -> int:
        """Number of requests that wait for the writer."""
        return self._writer.backlog

    @property
    def readiness(self) -> Readiness:
        if self._lock.elsewhere:
            return Readiness(False, DETAILS["another_service"])
        if not self._watcher.ready.is_set():
            return Readiness(False, self._watcher.problem or "The states are being restored.")
        if not self._writer.is_alive():
            return Readiness(False, "The writer has ended; restart the service.")
        if self._writer.broken:
            return Readiness(False, DETAILS["store_broken"])
        if not self._writer.store_works:
            return Readiness(False, "The live store cannot be written.")
        return Readiness(self._watcher.problem is None, self._watcher.problem)

    def require_restored(self) -> None:
        """Raises ProblemError (503) while the states are being restored, and while another service has the store."""
        if self._lock.elsewhere or not self._watcher.ready.is_set():
            raise not_available("not_ready", self.readiness.reason or "The service is starting.")

    async def observe(self, received: ReceivedRows, keyed: KeyedRequest | None = None) -> Receipt:
        """Store rows, then advance states. Returns when the rows are durable and forecasts take them into account.

        keyed: the key under which the answer is kept, in the same transaction.

        Raises:
            ProblemError: 503, nothing was accepted.
            StoreUnavailable: nothing was acknowledged; the rows may be sent again.
        """
        self._require_writer()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Receipt] = loop.create_future()
        self._coalescer.add(
            ObserveRequest(
                received.parts, received.rows, error_list(received.faults), received.ignored, keyed, future, loop
            )
        )
        return await future

    async def values_before(self, rows: Sequence[ClosedRow]) -> list[float]:
        """For rows of closed days the newest stored value before each; NaN where there is none.

        Raises:
            ProblemError: 503, nothing was accepted.
            StoreUnavailable: the log was not read.
        """
        self._require_writer()
        found: list[float] = []
        await asyncio.wrap_future(self._writer.ask(lambda: found.extend(closed_rows.values_before(self._engine, rows))))
        return found

    async def create(self, new_series: Sequence[UnbornSeries]) -> list[CreatedSeries | None]:
        """Create series. Returns the durable id of each; None beyond its dataset's quota.

        Raises:
            ProblemError: 503, nothing was accepted.
            StoreUnavailable: none was created.
        """
        self._require_writer()
        return await self._creator.create(new_series)

    def _require_writer(self) -> None:
        database.require_sound(self._engine)
        if not self._writer.is_alive() or self._writer.backlog > MAX_BACKLOG:
            raise not_available("busy", "Too many observations wait to be stored; send these again in a moment.")

    async def answered(self, keyed: KeyedRequest) -> Receipt | None:
        """The kept answer to an earlier request of this key; none where a dataset of its rows was deleted.

        Raises ProblemError (422) where that request was different.
        """
        since = clock.now() - int(self.settings.idempotency_keep_s * 1e6)
        kept = await run_in_threadpool(find, self._engine, keyed.key, since)
        present = {served.dataset.id for served in self.served()}
        if kept is None or not present.issuperset(kept.datasets):
            return None
        check(keyed, kept.fingerprint)
        return Receipt.unpack(kept.answer, kept.seq)

    def _write_key_uses(self) -> None:
        try:
            self.keyring.write_uses(self.engine())
        except StoreUnavailable as error:
            log.warning("the last uses of keys were not written: %s", error)
