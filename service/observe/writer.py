"""The one thread that moves anything: it commits observations, then advances states, then answers.

It has no timer for batches: while one commit waits for the disk the next requests queue, and all of them make the next
commit; while a large batch advances, the next one is stored. Between two batches it takes over new champions and
writes snapshots, one shard at a time.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future as Installed
from dataclasses import replace
from functools import partial
from itertools import repeat

import numpy as np
from sqlalchemy import Engine

from data import clock
from data.errors import RollcastError, StoreBroken, StoreUnavailable
from data.store import database, idempotency, observation_log
from data.store.observation_log import Row
from service.base.metrics import Metrics
from service.base.outcomes import Outcome
from service.models.datasets import Served
from service.observe import write_batch
from service.observe.background_advance import Advancing
from service.observe.write_batch import Along, Batch, Request
from states import folding, scores
from states.champion import Champion
from states.folding import Folded
from states.snapshots import Pass

log = logging.getLogger("rollcast.service")

LARGEST_BATCH = 20_000  # rows in one commit


class Writer(threading.Thread):
    """Owns every array of every champion from the moment it is installed."""

    def __init__(
        self,
        engine: Engine,
        metrics: Metrics,
        snapshot_every_s: float,
        datasets: Callable[[], Sequence[Served]],
        keep_answers_s: float,
    ):
        super().__init__(name="rollcast-writer", daemon=True)
        self._engine, self._metrics, self._every, self._datasets = engine, metrics, snapshot_every_s, datasets
        self._keep_us = int(keep_answers_s * 1e6)
        self._queue: queue.SimpleQueue[Request | Callable[[], None] | None] = queue.SimpleQueue()
        self._passes: list[Pass] = []
        self._last: int | None = None  # position of the log that every champion has reached; None: unknown
        self._advancing = Advancing()
        self._behind = False  # has a batch not advanced? Then those after it read the log
        self.store_works = True

    @property
    def broken(self) -> bool:
        """Has the disk failed a write? Then nothing is written any more; see `database.writing`."""
        try:
            database.require_sound(self._engine)
        except StoreBroken:
            return True
        return False

    @property
    def backlog(self) -> int:
        """Requests that wait."""
        return self._queue.qsize()

    def observe(self, request: Request) -> None:
        """Queue a request; from any thread."""
        self._queue.put(request)

    def install(self, served: Served, champion: Champion) -> "Installed[None]":
        """Queue a champion to be brought up to the log's end and then to answer; from any thread."""
        return self.ask(lambda: self._install(served, champion))

    def adopt(self, served: Served, champion: Champion, folded: Folded) -> "Installed[None]":
        """Queue states that were folded elsewhere; of a champion that no longer answers they are let go."""

        def action() -> None:
            if served.champion is champion:
                folding.merge(self._engine, champion, folded)

        return self.ask(action)

    def ask(self, action: Callable[[], None]) -> "Installed[None]":
        """Queue something to be done between two batches; from any thread."""
        done: Installed[None] = Installed()

        def do() -> None:
            try:
                action()
            except BaseException as error:
                done.set_exception(error)
                raise
            done.set_result(None)

        self._queue.put(do)
        return done

    def look(self) -> None:
        """Queue a look into the log for rows that another process wrote; from any thread."""
        self._queue.put(self._resynchronise)

    def stop(self) -> None:
        """Finish what is queued, write the snapshots and end; waits."""
        self._queue.put(None)
        self.join()

    # --- the loop ---------------------------------------------------------------------------------------------------

    def run(self) -> None:
        due = time.monotonic() + self._every
        while True:
            item = self._next(0 if self._passes else max(0.0, due - time.monotonic()))
            if time.monotonic() >= due and not self._passes:  # one that is cut short would leave no marker
                self._passes, due = self._begin_passes(), time.monotonic() + self._every
                self._guarded(lambda: idempotency.prune(self._engine, clock.now() - self._keep_us))
            if item is None:
                break
            if isinstance(item, Request):
                self._observe(item)
            else:
                self._guarded(item)
            if self._passes:
                self._guarded(self._snapshot_step)
        self._passes = self._begin_passes()
        while self._passes and self._guarded(self._snapshot_step):
            pass
        self._advancing.stop()

    def _next(self, wait: float) -> Request | Callable[[], None] | None:
        try:
            return self._queue.get(timeout=wait) if wait else self._queue.get_nowait()
        except queue.Empty:
            return _nothing

    def _guarded(self, action: Callable[[], object]) -> bool:
        """Whatever fails between batches must not end the thread: the log is the truth and is read again."""
        try:
            self._advancing.wait()
            action()
            return True
        except Exception:
            log.exception("the writer could not do something between two batches")
            self._last = None
            return False

    def _begin_passes(self) -> list[Pass]:
        self._advancing.wait()
        champions = [served.champion for served in self._datasets() if served.champion and not self.broken]
        return [Pass(champion) for champion in champions if champion.states.dirty]

    def _snapshot_step(self) -> None:
        current = self._passes.pop()
        if current.step(self._engine):
            self._passes.append(current)

    def _install(self, served: Served, champion: Champion) -> None:
        self._passes = [one for one in self._passes if one.champion is not served.champion]
        self._metrics.replayed("promotion", folding.catch_up(self._engine, champion))
        before = served.champion
        served.champion, served.problem = champion, None  # from here on it answers
        if before is not None and before.digest != champion.digest:
            served.previous = before
        if before is not None:
            self._guarded(partial(scores.write_down, self._engine, before))

    # --- one batch --------------------------------------------------------------------------------------------------

    def _observe(self, first: Request) -> None:
        requests, later = self._drain(first)
        try:
            self._commit(requests)
            self.store_works = True
        except Exception as error:
            self.store_works = not isinstance(error, StoreUnavailable)
            self._last = None  # the commit may have happened: read the log before the next one
            if not isinstance(error, RollcastError):
                log.exception("a batch of observations failed")
            write_batch.answer(requests, repeat(error))
        for action in later:
            self._guarded(action)

    def _drain(self, first: Request) -> tuple[list[Request], list[Callable[[], None]]]:
        """Everything that queued meanwhile, up to the first thing that is not an observation."""
        requests, rows = [first], first.rows
        while rows < LARGEST_BATCH:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                break
            if item is None:
                self._queue.put(None)
                break
            if not isinstance(item, Request):
                return requests, [item]
            requests.append(item)
            rows += item.rows
        return requests, []

    def _commit(self, requests: Sequence[Request]) -> None:
        """Store first, then advance, then answer; while a large batch advances the next one is stored."""
        database.require_sound(self._engine)
        if self._last is None or self._behind:
            self._resynchronise()
        batches = write_batch.batches_of(requests)
        if any(self._advancing.moves(batch.rows.series) for batch in batches):
            self._advancing.wait()  # what becomes of a row depends on the rows before it
        verdicts = [write_batch.judged(self._engine, batch) for batch in batches]
        new = [np.array([outcome is not Outcome.DUPLICATE for outcome in outcomes], bool) for outcomes in verdicts]
        stamp = clock.now()
        receipts = write_batch.receipts_of(requests, batches, verdicts)
        seqs = self._store(batches, new, stamp, write_batch.kept(requests, receipts, stamp))
        sequence = max((int(seq[-1]) for seq in seqs if len(seq)), default=self._last or 0)
        told = [replace(receipt, sequence=sequence) for receipt in receipts]

        def advance() -> None:
            for batch, chosen, seq in zip(batches, new, seqs, strict=True):
                self._advance(batch, chosen, seq, stamp)
            self._metrics.observed([outcome for receipt in told for outcome in receipt.outcomes])
            write_batch.answer(requests, told)

        self._advancing.begin(advance, np.concatenate([batch.rows.series for batch in batches]))

    def _store(
        self, batches: Sequence[Batch], new: Sequence[np.ndarray], stamp: int, along: Along | None
    ) -> list[np.ndarray]:
        """Append the rows in order of arrival. Returns the log position of each batch's new rows."""
        rows: list[Row] = []
        order: list[int] = []
        for number, (batch, chosen) in enumerate(zip(batches, new, strict=True)):
            values = [None if value != value else value for value in batch.rows.values[chosen].tolist()]
            dataset = batch.served.dataset.id
            columns = (batch.rows.series[chosen].tolist(), batch.ds[chosen].tolist(), values)
            rows.extend(zip(repeat(dataset), *columns, repeat(stamp), strict=False))
            order.extend([number] * len(values))
        seqs = np.array(observation_log.append(self._engine, rows, along), np.int64)
        if not len(seqs):
            return [np.empty(0, np.int64) for _ in batches]
        if self._last is None or seqs[0] != self._last + 1:
            self._resynchronise(upto=int(seqs[0]) - 1)  # another process wrote to the log meanwhile
        self._last = int(seqs[-1])
        return [seqs[np.array(order) == number] for number in range(len(batches))]

    def _advance(self, batch: Batch, chosen: np.ndarray, seqs: np.ndarray, stamp: int) -> None:
        """The rows are durable: from here on nothing may turn the answer into a failure."""
        champion = batch.served.champion
        if champion is None or not len(seqs):
            return
        rows = batch.rows.select(chosen).stored(seqs, stamp)
        try:
            if self._behind:
                folding.catch_up(self._engine, champion, int(seqs[-1]))
            else:
                self._metrics.replayed("correction", folding.take_in(self._engine, champion, rows))
        except Exception:
            log.exception(
                "dataset %s could not advance; its log is read again before the next batch", batch.served.name
            )
            known = [one for one in np.unique(rows.series).tolist() if one in champion.states]
            folding.defer(champion, np.array(known, np.int64))
            self._behind = True

    def _resynchronise(self, upto: int | None = None) -> None:
        """Bring every champion to the log's end: after a failure, or where another process wrote."""
        self._advancing.wait()
        self._behind = False
        last = 0
        for served in self._datasets():
            if served.champion:
                self._metrics.replayed("resync", folding.catch_up(self._engine, served.champion, upto))
                last = max(last, served.champion.seq)
        self._last = upto if upto is not None else last


def _nothing() -> None:
    """What the writer does when nothing came before the next snapshot was due."""
