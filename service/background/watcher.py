"""Watches the store for what was ingested and promoted, and builds champions beside the running ones."""

import logging
import math
import threading
import time
from collections.abc import Callable, Collection
from functools import partial

from sqlalchemy import Engine

from data.errors import RollcastError, StoreTooNew, StoreUnavailable
from data.records import dataset_rules, drift, quarantine, series_limits
from data.records.dataset_rules import QualityRules
from data.store import anchors, catalogue, database, observation_log, promotions, snapshot_store
from data.store.anchors import Anchor
from data.store.promotions import Promotion
from service.background import shadow_pair
from service.background.deletions import DeletionFollower
from service.base import gc_tuning
from service.base.metrics import Metrics
from service.models.datasets import Served
from service.models.live_directory import LiveDirectory
from service.models.verdicts import Judge
from service.observe.writer import Writer
from states import build_champion, folding, scores
from states.champion import Champion
from states.snapshots import SnapshotPass

INSTALLED_WITHIN = 120  # seconds that the writer may need to come to it

log = logging.getLogger("rollcast.service")


class Watcher(threading.Thread):
    """Keeps the directory and the champions as the store says they should be. A thread of its own."""

    def __init__(
        self,
        connect: Callable[[], Engine],
        writer: Writer,
        metrics: Metrics,
        directory: LiveDirectory,
        refresh_keys: Callable[[Engine], None],
        expire_answers: Callable[[], None],
        every_s: float,
        snapshot_every_s: float,
    ) -> None:
        super().__init__(name="rollcast-watcher", daemon=True)
        self._connect, self._writer, self._metrics = connect, writer, metrics
        self._directory, self._refresh_keys, self._every = directory, refresh_keys, every_s
        self._deletions = DeletionFollower(writer, metrics, directory, expire_answers)
        self._snapshot_every = snapshot_every_s
        self._stopping = threading.Event()
        self._served: dict[int, Served] = {}
        self._newest = 0  # id of the last series read
        self._built: dict[int, tuple[int, int]] = {}  # by dataset: promotion and anchor built, or found to be damaged
        self._decided = 0  # id of the last decision seen
        self._anchored = 0  # id of the last anchor seen
        self._followed: set[int] = set()  # datasets whose shadow or previous version was built since the last decision
        self._written: dict[int, float] = {}  # by anchor of such a version: when its states were last written
        self._fresh: set[int] = set()  # datasets whose promoted model was not looked up yet
        self.ready = threading.Event()  # everything promoted when the service started is answering
        self.problem: str | None = "The states are being restored."

    def stop(self) -> None:
        self._stopping.set()
        self.join()

    def run(self) -> None:
        wait = 0.0
        while not self._stopping.wait(wait):
            wait = self._every
            try:
                self._poll(self._connect())
            except RollcastError as error:
                log.warning("the store was not read: %s", error)
                public = isinstance(error, StoreTooNew)  # other messages of the store may name paths
                self.problem = str(error) if public else "The live store does not answer."
            except Exception:
                log.exception("the store was not read")
                self.problem = "The live store could not be read."
            else:
                self.problem = None

    def _poll(self, engine: Engine) -> None:
        """One round. Raises StoreUnavailable when the store does not answer; the next round tries again."""
        self._refresh_keys(engine)
        decided, anchored = promotions.decisions(engine, after=self._decided), anchors.last_id(engine)
        deletions = self._deletions.read(engine)  # after the anchors, so that none of theirs is unknown
        self._fresh |= self._read_catalogue(engine)
        reduced = {one.dataset_id: self._served[one.dataset_id] for one in deletions if one.dataset_id in self._served}
        self._deletions.remove_series(engine, reduced.values())
        changed = {decision.dataset_id for decision in decided}
        if anchored > self._anchored:
            later = anchors.after(engine, self._anchored)
            changed |= {anchor.dataset_id for anchor in later if anchor.anchor_id <= anchored}
        for number in self._fresh | (changed & self._served.keys()):
            self._take_over(engine, self._served[number])
            self._followed.discard(number)
        self._fresh.clear()
        self._decided, self._anchored = decided[-1].id if decided else self._decided, anchored
        if deletions:
            self._followed -= reduced.keys()
            self._deletions.settle(engine, deletions, reduced, INSTALLED_WITHIN)
        if not self.ready.is_set():
            gc_tuning.freeze()
            self.ready.set()
        self._read_alerts(engine)
        self._read_rules(engine)
        for served in self._served.values():
            if served.champion is not None and not served.champion.replaces_damaged:
                self._follow(engine, served)
        if any(
            c and observation_log.last_seq(engine, c.dataset_id) > c.seq
            for c in (s.champion for s in self._served.values())
        ):
            self._writer.look()
        if not self._writer.store_works and not self._writer.broken:
            with database.writing(engine):
                self._writer.store_works = True

    def _read_catalogue(self, engine: Engine) -> set[int]:
        """Publish what is new, and drop the datasets that were deleted. Returns the ids of those never seen before."""
        series = catalogue.series_after(engine, self._newest)  # before the datasets, so that each of theirs is known
        present = catalogue.datasets(engine)
        self._drop(self._served.keys() - {dataset.id for dataset in present})
        new = []
        for dataset in present:
            served = self._served.get(dataset.id)
            if served is None:
                new.append(Served(dataset, {}, judge=Judge.load(engine, dataset)))
            elif served.dataset.grid != dataset.grid:
                self._writer.renew(served, dataset).result(timeout=INSTALLED_WITHIN)
            elif served.dataset != dataset:
                served.dataset = dataset
            if served is not None and served.renumbered:
                served.renumbered = False
                self._built.pop(dataset.id, None)
                self._fresh.add(dataset.id)
        self._directory.add(series, new)
        self._served |= {served.dataset.id: served for served in new}
        self._newest = series[-1].id if series else self._newest
        self._read_labels(engine)
        return {served.dataset.id for served in new}

    def _drop(self, numbers: Collection[int]) -> None:
        """Drop deleted datasets. Their names may be in use again, so this comes before new ones are published."""
        self._deletions.drop([self._served[number] for number in numbers], INSTALLED_WITHIN)
        for number in numbers:
            del self._served[number]
            self._built.pop(number, None)
            self._followed.discard(number)
            self._fresh.discard(number)

    def _read_labels(self, engine: Engine) -> None:
        """Read the labels that ingests found since; those of rows that came here are known already."""
        for served in self._served.values():
            if served.dataset.grid.labelled and len(served.labels) < len(served.series):
                missing = [number for number in list(served.series.values()) if number not in served.labels]
                served.labels.update(catalogue.labels(engine, served.dataset, missing))

    def _read_alerts(self, engine: Engine) -> None:
        """Read what pipelines stored for the metrics: drift, and values in quarantine."""
        found, held = drift.latest(engine), quarantine.counts(engine)
        for served in self._served.values():
            served.quarantined = held.get(served.name, 0)
            served.drift = [row for row in found if row.dataset_id == served.dataset.id]

    def _read_rules(self, engine: Engine) -> None:
        """Let live values be judged by the rules and limits that are stored now."""
        rules = dataset_rules.all_rules(engine)
        for number, served in self._served.items():
            version = series_limits.version(engine, number)
            if not served.judge.up_to_date(rules.get(number, QualityRules()), version):
                judge = Judge.load(engine, served.dataset)
                self._writer.judge(served, judge).result(timeout=INSTALLED_WITHIN)

    def _take_over(self, engine: Engine, served: Served) -> None:
        """Let the promoted version answer, unless it does already."""
        promotion = promotions.served(engine, served.dataset.id)
        if promotion is None:
            return
        anchor = anchors.newest(engine, promotion.id)
        wanted = promotion.id, anchor.anchor_id if anchor else 0
        if self._built.get(served.dataset.id) == wanted:
            return
        try:
            digest = build_champion.digest_of(engine, promotion)
            beside = [
                other for other in (served.shadow, served.previous) if other is not None and other.digest == digest
            ]
            if beside:
                same = anchor is not None and beside[0].contexts_id == anchor.contexts
                if same and anchor is not None:
                    folding.catch_up(engine, beside[0])
                    beside[0].continues_as(promotion, anchor)
                self._hand_over(engine, served, beside[0])  # at once; a new anchor follows below
                if same:
                    self._built[served.dataset.id] = wanted
                    return
            elif served.champion is not None and served.champion.digest != digest:
                self._drop_others(engine, served)  # memory has room for two sets of states
            champion, replayed = build_champion.build(engine, served.dataset, promotion)
        except StoreUnavailable:
            raise
        except Exception as error:
            if _is_outdated(engine, promotion, anchor):
                log.info("dataset %s changed while its states were built; they are built again", served.name)
            else:
                self._refuse(engine, served, promotion, error)
            return
        self._hand_over(engine, served, champion)
        self._built[served.dataset.id] = wanted
        reason = "promotion" if self.ready.is_set() else "restart"
        self._metrics.restored(reason)
        self._metrics.replayed(reason, replayed)

    @staticmethod
    def _drop_others(engine: Engine, served: Served) -> None:
        """Drop the states of the previous version and of the shadow; their scores are stored first."""
        for other in (served.previous, served.shadow):
            if other is not None:
                scores.write_down(engine, other)
        served.previous = served.shadow = None

    def _hand_over(self, engine: Engine, served: Served, champion: Champion) -> None:
        """Let the champion answer. It is brought near the log's end here, so that the writer has little left to do."""
        folding.catch_up(engine, champion)
        champion.replaces_damaged = False
        self._writer.install(served, champion).result(timeout=INSTALLED_WITHIN)
        served.shadow = None if served.shadow is champion else served.shadow
        kept = {champion.anchor_id for champion in (served.champion, served.previous) if champion is not None}
        later = (
            promotions.shadow(engine, served.dataset.id),
            promotions.previous(engine, served.dataset.id),
        )  # yet to be built
        own = [anchors.newest(engine, decision.id) for decision in later if decision is not None]
        snapshot_store.keep_only(
            engine, served.dataset.id, kept | {anchor.anchor_id for anchor in own if anchor is not None}
        )

    def _refuse(self, engine: Engine, served: Served, promotion: Promotion, error: Exception) -> None:
        """A damaged version is not tried again; an earlier version answers until another one is promoted."""
        log.error("version %d of dataset %s cannot be served", promotion.version, served.name, exc_info=error)
        anchor = anchors.newest(engine, promotion.id)
        self._built[served.dataset.id] = promotion.id, anchor.anchor_id if anchor else 0
        if served.champion is None:
            champion = self._earlier(engine, served, promotion)
            if champion is not None:
                self._writer.install(served, champion).result(timeout=INSTALLED_WITHIN)
        after = "promote another one"
        if served.champion is not None:
            served.champion.replaces_damaged = True
            after = f"version {served.champion.version} answers; promote another one"
        served.problem = f"Version {promotion.version} was promoted but cannot be served; {after}."

    def _earlier(self, engine: Engine, served: Served, promotion: Promotion) -> Champion | None:
        """The newest other version that served and can be built."""
        tried = {promotion.version}
        for row in reversed(promotions.decisions(engine, served.dataset.id)):
            if not row.serves or row.version in tried:
                continue
            tried.add(row.version)
            try:
                return build_champion.build(engine, served.dataset, row)[0]
            except StoreUnavailable:
                raise
            except Exception:
                log.exception("version %d of dataset %s cannot be served either", row.version, served.name)
        return None

    def _follow(self, engine: Engine, served: Served) -> None:
        """Keep a second set of states at the log's end: those of the challenger in shadow, or else of the previous
        version, for a rollback and for answers that the champion cannot give."""
        for other in (served.previous, served.shadow):
            if other is not None and not other.follow_calendar(served.dataset.grid):
                served.previous = served.shadow = None  # one of the two is there
                self._followed.discard(served.dataset.id)
        if served.dataset.id not in self._followed:
            self._build_other(engine, served)
            self._followed.add(served.dataset.id)
        other = served.shadow or served.previous
        if other is None:
            return
        try:
            self._keep_up(engine, served, other)
        except StoreUnavailable:
            raise
        except Exception as error:
            if other is not served.shadow:
                raise
            served.shadow = None  # its failure must not affect the champion
            self._report_shadow(served, other.version, error)

    def _keep_up(self, engine: Engine, served: Served, other: Champion) -> None:
        """Take in new rows, and store states and scores every `snapshot_every_s`."""
        folding.catch_up(engine, other)
        if time.monotonic() - self._written.get(other.anchor_id, -math.inf) <= self._snapshot_every:
            return
        self._written[other.anchor_id] = time.monotonic()
        if other is served.shadow:
            self._writer.ask(partial(shadow_pair.record_pair, engine, served)).result(timeout=INSTALLED_WITHIN)
        current = SnapshotPass(other, vintages=False) if other.states.dirty else None
        while current is not None and not self._stopping.is_set() and current.step(engine):
            pass

    def _build_other(self, engine: Engine, served: Served) -> None:
        """Start or end the shadow as the promotion log says; without a shadow, build the previous version."""
        wanted = promotions.shadow(engine, served.dataset.id)
        if served.shadow is not None and (wanted is None or wanted.id != served.shadow.promotion_id):
            self._drop_others(engine, served)
        served.shadow_problem = None
        if served.shadow is not None and self._has_new_anchor(engine, served.shadow):
            served.shadow = None
        if served.previous is not None and self._has_new_anchor(engine, served.previous):
            served.previous = None
        if wanted is not None and served.shadow is None:
            self._drop_others(engine, served)  # memory has room for two sets of states
            self._build_shadow(engine, served, wanted)
        promotion = promotions.served(engine, served.dataset.id)
        if wanted is None and served.previous is None and promotion is not None:
            earlier = self._earlier(engine, served, promotion)
            served.previous = earlier if earlier is not served.champion else None

    @staticmethod
    def _has_new_anchor(engine: Engine, champion: Champion) -> bool:
        """Was an anchor made for its promotion after the one from which it rolls?"""
        anchor = anchors.newest(engine, champion.promotion_id)
        return anchor is not None and anchor.anchor_id != champion.anchor_id

    def _build_shadow(self, engine: Engine, served: Served, wanted: Promotion) -> None:
        """Build the challenger's states."""
        try:
            served.shadow = build_champion.build(engine, served.dataset, wanted)[0]
        except StoreUnavailable:
            raise
        except Exception as error:
            self._report_shadow(served, wanted.version, error)

    @staticmethod
    def _report_shadow(served: Served, version: int, error: Exception) -> None:
        log.error("version %d of dataset %s cannot roll in shadow", version, served.name, exc_info=error)
        served.shadow_problem = (
            f"Version {version} cannot roll in shadow; choose another one with `rollcast shadow`, or stop it."
        )


def _is_outdated(engine: Engine, promotion: Promotion, anchor: Anchor | None) -> bool:
    """Was another anchor made since, or the dataset deleted? Then the next round builds the states anew."""
    deleted, _ = catalogue.missing(engine, [promotion.dataset_id], ())
    return bool(deleted) or anchors.newest(engine, promotion.id) != anchor
