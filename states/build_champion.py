"""Builds a dataset's champion from what is stored: artifact, contexts, snapshots, and the log's end.

The service builds all series as of now. A batch forecast builds some series at a time, as of one row of the log.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from sqlalchemy import Engine

from data import clock
from data.errors import DamagedArtifact
from data.store import anchors, observation_log, registry, snapshot_store
from data.store.anchors import Anchor
from data.store.catalogue import Dataset
from data.store.observation_log import Log
from data.store.promotions import Promotion
from forecasting.kinds import model_of
from forecasting.rolling import bundle
from states import folding, scores, snapshots
from states.champion import Champion
from states.checkpoints import Checkpoints
from states.contexts import Contexts
from states.model import RollingModel
from states.row_index import RowIndex
from states.rows import Rows
from states.snapshots import RestoredStates
from states.states import States

NONE = np.zeros(0, np.int64)
ReadLog = Callable[[int, np.ndarray | None], Log]  # (after, series): rows of the log beyond `after`


@dataclass(frozen=True)
class Anchored:
    """A promoted version with the anchor of its states, before any state."""

    dataset: Dataset
    promotion: Promotion
    digest: str
    roller: RollingModel
    anchor: Anchor
    contexts: Contexts


def build(engine: Engine, dataset: Dataset, promotion: Promotion) -> tuple[Champion, int]:
    """The promoted model with every series' state, and the number of log rows that were replayed for it.

    Raises:
        DamagedArtifact: the artifact or a context is not what was promoted, or the log begins after the contexts.
        StoreUnavailable: the live store does not answer.
    """
    anchored = load(engine, dataset, promotion)
    champion, replayed = restore(engine, anchored, lambda after, _: observation_log.log(engine, dataset.id, after))
    scores.look_back(engine, champion, clock.now())
    return champion, replayed


def load(engine: Engine, dataset: Dataset, promotion: Promotion, anchor: Anchor | None = None) -> Anchored:
    """The promoted version and the contexts of its newest anchor, or of this one. Raises as `build` does."""
    digest = digest_of(engine, promotion)
    roller = model_of(bundle.from_bytes(registry.artifact(engine, dataset.id, promotion.version), digest))
    roller.warm_up()
    anchor = anchor or anchors.newest(engine, promotion.id)
    if anchor is None or not (shards := anchors.shards(engine, anchor)):
        raise DamagedArtifact(f"The contexts of promotion {promotion.id} are stored no more; promote again.")
    fetch = partial(anchors.read, engine, anchor)
    contexts = Contexts(shards, fetch, roller.fingerprint, roller.config.context)
    return Anchored(dataset, promotion, digest, roller, anchor, contexts)


def from_contexts(engine: Engine, anchored: Anchored) -> Champion:
    """The champion whose states know their contexts alone, no row of the log after them and no snapshot."""
    champion = without_states(engine, anchored, anchored.anchor.log_seq)
    _lay_over(champion, None, None)
    return champion


def restore(
    engine: Engine, anchored: Anchored, read_log: ReadLog, series: np.ndarray | None = None, upto: int | None = None
) -> tuple[Champion, int]:
    """The champion with the states of `series` (n,), ascending, after row `upto` of the log, and the rows replayed.

    None stands for all series, and for all rows; `read_log` must not give rows beyond `upto`. Raises as `build` does.
    """
    champion = without_states(engine, anchored, upto)
    restored = snapshots.restore(
        engine, anchored.dataset.id, champion.anchor_id, anchored.roller, series=series, upto=upto
    )
    after = _lay_over(champion, restored, series)
    found = read_log(after, series)
    folding.require_whole(engine, champion)
    unread = found.select(found.seq > _positions(restored, found.series_id, after))
    folding.take_in(engine, champion, Rows.of_log(unread, champion.grid))  # leaves out what a state knows already
    _trust_only(champion, restored)
    if restored is not None and restored.stale.any():
        folding.rebuild(engine, champion, np.sort(restored.series[restored.stale]))
    champion.seq = int(found.seq[-1]) if len(found) else after
    if anchored.anchor.refold and restored is None:
        champion.states.forget_vintages()  # folded again without deleted rows: so they were never answered
    return champion, len(unread)


def digest_of(engine: Engine, promotion: Promotion) -> str:
    """What the promoted version was registered as. Raises DamagedArtifact where it is registered no more."""
    rows = registry.models(engine, promotion.dataset_id)
    found = next((row.digest for row in rows if row.version == promotion.version), None)
    if found is None:
        raise DamagedArtifact(f"Version {promotion.version} was promoted and is not registered; promote another one.")
    return found


def without_states(engine: Engine, anchored: Anchored, upto: int | None) -> Champion:
    """The champion without a single state."""
    dataset, promotion, roller = anchored.dataset, anchored.promotion, anchored.roller
    anchor_id, anchor_seq = anchored.anchor.anchor_id, anchored.anchor.log_seq
    checkpoints = Checkpoints(dataset.id, anchor_id, roller)
    checkpoints.kept = {
        shard: [seq for seq in positions if upto is None or seq <= upto]
        for shard, positions in snapshot_store.positions(engine, dataset.id, anchor_id).items()
    }
    return Champion(
        dataset.id,
        dataset.grid,
        promotion.id,
        anchor_id,
        promotion.version,
        anchored.digest,
        roller,
        anchored.contexts,
        anchored.anchor.contexts,
        anchor_seq,
        States(roller, NONE, roller.empty(0), NONE),
        anchor_seq,
        checkpoints,
        promotion.decided_at,
        upto,
    )


def _lay_over(champion: Champion, restored: RestoredStates | None, series: np.ndarray | None) -> int:
    """Fill the states from snapshots, and from contexts where there is none.

    Returns the position of the log to read on from.
    """
    contexts, roller = champion.contexts, champion.roller
    kept = NONE if restored is None else restored.series
    unknown = contexts.series[~np.isin(contexts.series, kept)]
    if series is not None:
        unknown = np.intersect1d(unknown, series)
    if restored is not None:
        champion.checkpoints.out_of_order.unpack(restored.amendments)
        champion.states = States(roller, kept, restored.state, restored.sequence, *restored.scores)
        champion.states.dirty.clear()  # the store has them as they are
        champion.states.mark_stale(champion.states.rows_of(kept[restored.stale]))
    if unknown.size:
        values, origin, carried = contexts.take(unknown)
        sums = [carried.pop(name, None) for name in ("settled", "unit", "recent")]
        sequence = np.full(len(unknown), champion.anchor_seq)
        champion.states.add(unknown, roller.start(values, origin, carried), sequence, *sums)
    if restored is None or restored.complete is None or unknown.size:
        return champion.anchor_seq
    return restored.complete


def _trust_only(champion: Champion, restored: RestoredStates | None) -> None:
    """Older snapshots of a series are no use where the newest one, which says what changed since, was not read."""
    known = NONE if restored is None else restored.series
    series = champion.states.series
    champion.checkpoints.out_of_order.forget(series[~np.isin(series, known)], champion.seq)


def _positions(restored: RestoredStates | None, series: np.ndarray, after: int) -> np.ndarray:
    """(k,) the position of the log that the state of each of `series` has reached already."""
    if restored is None or not len(restored.series):
        return np.full(len(series), after)
    rows = RowIndex(restored.series).find(series)
    return np.where(rows >= 0, restored.position[rows], after)
