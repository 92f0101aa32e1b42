"""The one thread that changes states: it commits observations, then advances states, then answers.

It has no timer for batches: while one commit waits for the disk the next requests queue, and all of them make the next
commit; while a large batch advances, the next one is stored. Between two batches it installs new champions and writes
snapshots, one shard at a time.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from itertools import pairwise, repeat

import numpy as np
from sqlalchemy import Engine

from data import clock
from data.changes import applied
from data.errors import RollcastError, StoreBroken, StoreUnavailable
from data.records import idempotency
from data.store import catalogue, database, observation_log
from data.store.catalogue import Dataset
from data.store.observation_log import DeletedMeanwhile, Row
from service.base.metrics import Metrics
from service.models.changes import Changes
from service.models.datasets import Served
from service.models.verdicts import Judge
from service.observe import write_batch
from service.observe.background_advance import BackgroundAdvance
from service.observe.write_batch import Along, CalendarReplaced, JudgedBatch, ObserveRequest, WriteBatch
from states import folding, scores
from states.champion import Champion
from states.folding import Folded
from states.snapshots import SnapshotPass
from states.views import vintages

log = logging.getLogger("rollcast.service")

RENUMBERED = "The calendar of the dataset was replaced, and its states are built again."
LARGEST_BATCH = 20_000  # rows in one commit
SLICE = 250  # rows of another process that are taken in at once; requests that wait come in between


class Writer(threading.Thread):
    """Owns every array of every champion from the moment it is installed."""

    def __init__(
        self,
        engine: Engine,
        metrics: Metrics,
        snapshot_every_s: float,
        datasets: Callable[[], Sequence[Served]],
        keep_answers_s: float,
        changes: Changes,
        vintages_bytes: int,
    ):
        super().__init__(name="rollcast-writer", daemon=True)
        self._engine, self._metrics, self._every, self._datasets = engine, metrics, snapshot_every_s, datasets
        self._keep_us, self._changes = int(keep_answers_s * 1e6), changes
        self._vintages_bytes = vintages_bytes
        self._queue: queue.SimpleQueue[ObserveRequest | Callable[[], None] | None] = queue.SimpleQueue()
        self._passes: list[SnapshotPass] = []
        self._last: int | None = None  # position of the log that every champion has reached; None: not known
        self._advancing = BackgroundAdvance()
        self._behind = False  # a batch did not advance; those after it read the log
        self._unsure = False  # rows may have been stored that no judge knows of
        self._backlog = False  # rows of another process wait for their slice
        self._looking = False  # a read of the log is queued
        self._followed = 0  # number of the newest deletion that directory, states and judges have followed
        self._applied = 0  # number of the newest deletion that the writer knows of
        self.store_works = True

    @property
    def broken(self) -> bool:
        """Has the disk refused a write? Then nothing more is written; see `database.writing`."""
        try:
            database.require_sound(self._engine)
        except StoreBroken:
            return True
        return False

    @property
    def backlog(self) -> int:
        """Number of requests that wait."""
        return self._queue.qsize()

    def observe(self, request: ObserveRequest) -> None:
        """Queue a request; from any thread."""
        self._queue.put(request)

    def install(self, served: Served, champion: Champion) -> "Future[None]":
        """Queue a champion: it is brought to the log's end and then answers. From any thread."""
        return self.ask(lambda: self._install(served, champion))

    def reload_judge(self, served: Served, judge: Judge) -> "Future[None]":
        """Queue a judge that was loaded after a deletion; nothing of the one before goes on. From any thread."""

        def action() -> None:
            judge.continues(self._engine, served.dataset)
            served.judge = judge

        return self.ask(action)

    def drop(self, served: Served) -> "Future[None]":
        """Queue the end of a deleted dataset, whose states are stored no more. From any thread."""

        def action() -> None:
            self._passes = [current for current in self._passes if current.champion is not served.champion]

        return self.ask(action)

    def follow(self, number: int) -> "Future[None]":
        """Queue that all deletions up to this number were followed. From any thread."""

        def action() -> None:
            self._followed, self._applied = number, max(number, self._applied)

        return self.ask(action)

    def merge(self, served: Served, champion: Champion, folded: Folded) -> "Future[None]":
        """Queue states that were folded elsewhere; they are dropped where another champion answers by then."""

        def action() -> None:
            if served.champion is champion:
                folding.merge(self._engine, champion, folded)

        return self.ask(action)

    def judge(self, served: Served, judge: Judge) -> "Future[None]":
        """Queue other rules or limits, by which the next rows are judged. From any thread."""

        def action() -> None:
            judge.replaces(self._engine, served.dataset, served.judge)
            served.judge = judge

        return self.ask(action)

    def renew(self, served: Served, dataset: Dataset) -> "Future[None]":
        """Queue the entry that a dataset has in the catalogue now; from any thread.

        Where its calendar was replaced, steps are numbered by the new one from then on.
        """
        return self.ask(lambda: self._renew(served, dataset))

    def ask(self, action: Callable[[], None]) -> "Future[None]":
        """Queue an action between two batches; from any thread."""
        done: Future[None] = Future()

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
        """Queue a read of the log, for rows that another process wrote; from any thread."""
        if not self._looking:
            self._looking = True
            self._queue.put(self._take_slice)

    def stop(self) -> None:
        """Finish what is queued, write the snapshots and end; waits."""
        self._queue.put(None)
        self.join()

    # --- the loop ---------------------------------------------------------------------------------------------------

    def run(self) -> None:
        due = time.monotonic() + self._every
        while True:
            item = self._next(0 if self._passes else max(0.0, due - time.monotonic()))
            if time.monotonic() >= due and not self._passes:  # a pass that is cut short would leave no marker
                self._passes, due = self._begin_passes(), time.monotonic() + self._every
                self._guarded(lambda: idempotency.prune(self._engine, clock.now() - self._keep_us))
            if item is None:
                break
            if isinstance(item, ObserveRequest):
                self._observe(item)
            else:
                self._guarded(item)
            if self._passes:
                self._guarded(self._snapshot_step)
        self._passes = self._begin_passes()
        while self._passes and self._guarded(self._snapshot_step):
            pass
        self._advancing.stop()

    def _next(self, wait: float) -> ObserveRequest | Callable[[], None] | None:
        try:
            return self._queue.get(timeout=wait) if wait else self._queue.get_nowait()
        except queue.Empty:
            return _nothing

    def _guarded(self, action: Callable[[], object]) -> bool:
        """Run an action; its failure does not end the thread, and the log is read again."""
        try:
            self._advancing.wait()
            action()
            return True
        except Exception:
            log.exception("an action of the writer between two batches failed")
            self._last, self._unsure = None, True
            return False

    def _begin_passes(self) -> list[SnapshotPass]:
        self._advancing.wait()
        champions = [served.champion for served in self._datasets() if served.champion and not self.broken]
        most = self._vintages_bytes
        return [SnapshotPass(champion, most > 0, most) for champion in champions if champion.states.dirty]

    def _snapshot_step(self) -> None:
        current = self._passes.pop()
        if current.step(self._engine):
            self._passes.append(current)

    def _renew(self, served: Served, dataset: Dataset) -> None:
        self._advancing.wait()
        replaced, served.dataset = served.dataset.grid != dataset.grid, dataset
        if not replaced:
            return
        if served.champion is not None and not served.champion.follow_calendar(dataset.grid):
            self._passes = [current for current in self._passes if current.champion is not served.champion]
            served.champion, served.problem, served.renumbered = None, RENUMBERED, True
            served.judge = Judge.load(self._engine, dataset)

    def _install(self, served: Served, champion: Champion) -> None:
        if not champion.follow_calendar(served.dataset.grid):  # replaced while it was built
            served.renumbered = True
            return
        self._passes = [current for current in self._passes if current.champion is not served.champion]
        self._metrics.replayed("promotion", folding.catch_up(self._engine, champion))
        before = served.champion
        if before is not None:
            self._guarded(partial(vintages.write_all, self._engine, before))
        champion.states.changed = partial(self._changes.note, served.dataset.id)
        served.champion, served.problem = champion, None  # from here on it answers
        self._changes.note(served.dataset.id, np.empty(0, np.int64))
        if before is not None and before.digest != champion.digest:
            served.previous = before
        if before is not None:  # nothing is written where a deletion has made its anchor void
            self._guarded(partial(scores.write_down, self._engine, before))

    # --- one batch --------------------------------------------------------------------------------------------------

    def _observe(self, first: ObserveRequest) -> None:
        requests, later = self._drain(first)
        try:
            while requests:
                if self._applied > self._followed:
                    requests = self._refuse_deleted(requests)
                try:
                    self._commit(requests)
                    break
                except DeletedMeanwhile:
                    self._applied = applied.last(self._engine)
            self.store_works = True
        except Exception as error:
            self.store_works = not isinstance(error, StoreUnavailable)
            self._last, self._unsure = None, True  # the commit may have happened: read the log before the next one
            if not isinstance(error, RollcastError):
                log.exception("a batch of observations failed")
            write_batch.answer(requests, repeat(error))
        for action in later:
            self._guarded(action)

    def _drain(self, first: ObserveRequest) -> tuple[list[ObserveRequest], list[Callable[[], None]]]:
        """Every request that queued meanwhile, up to the first action."""
        requests, rows = [first], first.rows
        while rows < LARGEST_BATCH:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                break
            if item is None:
                self._queue.put(None)
                break
            if not isinstance(item, ObserveRequest):
                return requests, [item]
            requests.append(item)
            rows += item.rows
        return requests, []

    def _refuse_deleted(self, requests: list[ObserveRequest]) -> list[ObserveRequest]:
        """Answer the requests with rows of what was deleted, and give back the others. Until the states have followed
        a deletion, each batch asks the store whether its series are there."""
        self._applied = applied.last(self._engine)
        dead = write_batch.of_deleted(self._engine, requests)
        refused = [request for request, gone in zip(requests, dead, strict=True) if gone]
        write_batch.answer(refused, repeat(write_batch.deleted_series()))
        return [request for request, gone in zip(requests, dead, strict=True) if not gone]

    def _commit(self, requests: Sequence[ObserveRequest]) -> None:
        """Commit the rows of requests, and once more where a calendar was replaced meanwhile that numbers them."""
        try:
            self._commit_once(requests)
        except CalendarReplaced as replaced:
            for served in replaced.served:
                self._renew(served, catalogue.dataset(self._engine, served.name))
            self._commit_once(requests)

    def _commit_once(self, requests: Sequence[ObserveRequest]) -> None:
        """Store first, then advance, then answer; while a large batch advances the next one is stored."""
        database.require_sound(self._engine)
        if self._last is None or self._behind:
            self._resynchronise()
        if self._unsure:
            self._reload_judges()
        batches = write_batch.batches_of(requests)
        if self._backlog:
            self._catch_up_only(batches)
        if any(self._advancing.changes(batch.rows.series) for batch in batches):
            self._advancing.wait()  # the outcome of a row depends on the rows before it
        judged = [write_batch.judge(self._engine, batch) for batch in batches]
        stamp = clock.now()
        receipts = write_batch.receipts_of(requests, batches, judged)
        seqs = self._store(judged, stamp, write_batch.kept(requests, receipts, stamp))
        sequence = max((int(seq[-1]) for seq in seqs if len(seq)), default=self._last or 0)
        answers = [replace(receipt, sequence=sequence) for receipt in receipts]

        def advance() -> None:
            for result, seq in zip(judged, seqs, strict=True):
                self._advance(result, seq, stamp)
            self._metrics.observed([outcome for receipt in answers for outcome in receipt.outcomes])
            self._metrics.shifted(sum(receipt.shifts for receipt in answers))
            write_batch.answer(requests, answers)

        self._advancing.begin(advance, np.concatenate([np.empty(0, np.int64), *(b.rows.series for b in batches)]))

    def _store(self, judged: Sequence[JudgedBatch], stamp: int, answers: Along | None) -> list[np.ndarray]:
        """Append the rows in order of arrival, with their verdicts. Returns the log position of each batch's rows."""
        rows: list[Row] = []
        ends = [0]
        verdicts: dict[int, str] = {}
        for result in judged:
            found = result.judged
            verdicts |= {len(rows) + place: mark for place, mark in found.marks.items()}
            values = [None if value != value else value for value in found.values.tolist()]
            columns = (found.rows.series.tolist(), found.ds.tolist(), values)
            rows.extend(zip(repeat(result.dataset_id), *columns, repeat(stamp), strict=False))
            ends.append(len(rows))
        along = write_batch.checked_along(self._engine, write_batch.along(answers, judged, stamp), judged)
        seqs = np.array(observation_log.append(self._engine, rows, along, verdicts, self._applied), np.int64)
        if not len(seqs):
            return [np.empty(0, np.int64) for _ in judged]
        missed = int(seqs[0]) - 1 - (self._last or 0)  # another process wrote to the log meanwhile
        if self._backlog or missed > SLICE:
            self._backlog = True
            self.look()
        else:
            if self._last is None or missed:
                self._resynchronise(upto=int(seqs[0]) - 1)
            self._last = int(seqs[-1])
        for result in judged:
            result.served.judge.settle(result.judged, int(seqs[-1]), whole=not self._backlog)
        return [seqs[begin:end] for begin, end in pairwise(ends)]

    def _advance(self, result: JudgedBatch, seqs: np.ndarray, stamp: int) -> None:
        """Advance the states. The rows are stored: whatever fails here does not fail the request."""
        champion = result.served.champion
        if champion is None:
            self._changes.note(result.served.dataset.id, result.judged.rows.series)
        if champion is None or not len(seqs):
            return
        rows = result.judged.rows.stored(seqs, stamp)
        try:
            if self._backlog:
                folding.catch_up_only(self._engine, champion, rows.series, int(seqs[-1]))
            elif self._behind:
                folding.catch_up(self._engine, champion, int(seqs[-1]))
            else:
                self._metrics.replayed("correction", folding.take_in(self._engine, champion, rows))
        except Exception:
            log.exception(
                "dataset %s could not advance; its log is read again before the next batch", result.served.name
            )
            known = [series for series in np.unique(rows.series).tolist() if series in champion.states]
            folding.defer(champion, np.array(known, np.int64))
            self._behind = True

    def _take_slice(self) -> None:
        """Take in rows that another process wrote, at most `SLICE` of each dataset, and queue for the rest."""
        self._looking = False  # first: a store that does not answer now is looked at again
        end = observation_log.end(self._engine)
        for served in self._datasets():
            served.judge.catch_up(self._engine, served.dataset, end, SLICE)
        champions = [served.champion for served in self._datasets() if served.champion]
        taken = [folding.catch_up_some(self._engine, champion, end, SLICE) for champion in champions]
        self._metrics.replayed("resync", sum(taken))
        if max(taken, default=0) < SLICE:
            self._backlog, self._last = False, end
        else:
            self._backlog = True
            self.look()

    def _catch_up_only(self, batches: Sequence[WriteBatch]) -> None:
        """Bring the series of some batches to the log's end, before the rows of others that wait."""
        self._advancing.wait()
        for batch in batches:
            if batch.served.champion:
                folding.catch_up_only(self._engine, batch.served.champion, batch.rows.series)

    def _resynchronise(self, upto: int | None = None) -> None:
        """Bring every champion to the log's end, after a failure or where another process wrote."""
        self._advancing.wait()
        self._behind = self._backlog = False
        end = observation_log.end(self._engine) if upto is None else upto
        for served in self._datasets():
            served.judge.catch_up(self._engine, served.dataset, end)  # first, so that a newer answer has newer flags
            if served.champion:
                self._metrics.replayed("resync", folding.catch_up(self._engine, served.champion, end))
        self._last = end

    def _reload_judges(self) -> None:
        """Read again what each judge must know, after a commit that may or may not have happened."""
        for served in self._datasets():
            served.judge = Judge.load(self._engine, served.dataset)
        self._unsure = False


def _nothing() -> None:
    """The action when nothing arrived before the next snapshot was due."""
