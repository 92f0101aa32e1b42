"""Building a dataset's champion from what is stored: artifact, contexts, snapshots, and the log's end."""

import numpy as np
from sqlalchemy import Engine

from data import clock
from data.errors import DamagedArtifact
from data.store import context_store, observation_log, registry, snapshot_store
from data.store.catalogue import Dataset
from data.store.promotions import Promotion
from forecasting.rolling import bundle
from forecasting.rolling.roller import Roller
from states import folding, scores, snapshots
from states.champion import Champion
from states.checkpoints import Checkpoints
from states.contexts import Contexts
from states.row_index import Places
from states.snapshots import Restored
from states.states import States


def build(engine: Engine, dataset: Dataset, promotion: Promotion) -> tuple[Champion, int]:
    """The promoted model with every series' state, and the number of log rows that were replayed for it.

    Raises:
        DamagedArtifact: the artifact or a context is not what was promoted, or the log begins after the contexts.
        StoreUnavailable: the live store does not answer.
    """
    champion = _anchored(engine, dataset, promotion)
    restored = snapshots.restore(engine, dataset.id, champion.anchor_id, champion.roller.fingerprint)
    after = _lay_over(champion, restored)
    past = observation_log.log(engine, dataset.id, after=after)
    folding.require_whole(engine, champion)
    rows = past.select(past.seq > _positions(restored, past.series_id, after))
    folding.take_in(engine, champion, rows)
    _trust_only(champion, restored)
    if restored is not None and restored.stale.any():
        folding.rebuild(engine, champion, np.sort(restored.series[restored.stale]))
    champion.seq = int(past.seq[-1]) if len(past.seq) else after
    scores.look_back(engine, champion, clock.now())
    return champion, len(rows.seq)


def digest_of(engine: Engine, promotion: Promotion) -> str:
    """What the promoted version was registered as. Raises DamagedArtifact where it is registered no more."""
    rows = registry.models(engine, promotion.dataset_id)
    found = next((row.digest for row in rows if row.version == promotion.version), None)
    if found is None:
        raise DamagedArtifact(f"Version {promotion.version} was promoted and is not registered; promote another one.")
    return found


def _anchored(engine: Engine, dataset: Dataset, promotion: Promotion) -> Champion:
    """The champion as it was at its promotion: every series at its anchor."""
    digest = digest_of(engine, promotion)
    roller = Roller(bundle.from_bytes(registry.artifact(engine, dataset.id, promotion.version), digest))
    roller.warm_up()
    anchor_seq, shards = context_store.shards(engine, promotion.id)
    if not shards:
        raise DamagedArtifact(f"The contexts of promotion {promotion.id} are stored no more; promote again.")

    def fetch(number: int) -> bytes:
        return context_store.read(engine, promotion.id, shards[number])

    contexts = Contexts(map(fetch, range(len(shards))), fetch, roller.fingerprint, roller.config.context)
    checkpoints = Checkpoints(dataset.id, promotion.id, roller.fingerprint)
    checkpoints.kept = snapshot_store.positions(engine, dataset.id, promotion.id)
    states = States(roller, np.zeros(0, np.int64), roller.empty(0), np.zeros(0, np.int64))
    return Champion(
        dataset.id,
        dataset.grid,
        promotion.id,
        promotion.id,
        promotion.version,
        digest,
        roller,
        contexts,
        anchor_seq,
        states,
        anchor_seq,
        checkpoints,
        promotion.decided_at,
    )


def _lay_over(champion: Champion, restored: Restored | None) -> int:
    """Fill the states from snapshots, and from contexts where there is none.

    Returns the position of the log to read on from.
    """
    contexts, roller = champion.contexts, champion.roller
    kept = np.empty(0, np.int64) if restored is None else restored.series
    unknown = contexts.series[~np.isin(contexts.series, kept)]
    if restored is not None:
        champion.checkpoints.amendments.unpack(restored.amendments)
        champion.states = States(roller, kept, restored.state, restored.sequence, restored.settled, restored.unit)
        champion.states.dirty.clear()  # the store has them as they are
        champion.states.mark_stale(champion.states.rows_of(kept[restored.stale]))
    if unknown.size:
        values, origin = contexts.take(unknown)
        champion.states.add(unknown, roller.start(values, origin), np.full(len(unknown), champion.anchor_seq))
    if restored is None or restored.complete is None or unknown.size:
        return champion.anchor_seq
    return restored.complete


def _trust_only(champion: Champion, restored: Restored | None) -> None:
    """Older snapshots of a series tell nothing where the newest one, which says what changed since, was not read."""
    known = np.empty(0, np.int64) if restored is None else restored.series
    series = champion.states.series
    champion.checkpoints.amendments.forget(series[~np.isin(series, known)], champion.seq)


def _positions(restored: Restored | None, series: np.ndarray, after: int) -> np.ndarray:
    """(k,) the position of the log that the state of each of `series` has reached already."""
    if restored is None or not len(restored.series):
        return np.full(len(series), after)
    place = Places(restored.series).of(series)
    return np.where(place >= 0, restored.position[place], after)
