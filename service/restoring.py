"""Building a dataset's champion from what is stored: artifact, contexts, snapshots, and the log's end."""

import numpy as np
from sqlalchemy import Engine

from data import live, models
from data.catalogue import Dataset
from data.live import Log
from data.models import Promotion
from forecasting import bundle
from forecasting.rolling import Roller
from service import folding, snapshots
from service.champion import Champion
from service.contexts import Contexts
from service.states import States


def build(engine: Engine, dataset: Dataset, promotion: Promotion) -> tuple[Champion, int]:
    """The promoted model with every series' state, and the number of log rows that were replayed for it.

    Raises:
        DamagedArtifact: the artifact or a context is not what was promoted.
        StoreUnavailable: the live store does not answer.
    """
    champion = _anchored(engine, dataset, promotion)
    restored = snapshots.restore(engine, dataset.id, champion.epoch, champion.roller.fingerprint)
    after, position = _lay_over(champion, restored)
    past = live.log(engine, dataset.id, after=after)
    unread = past.seq > np.array([position.get(one, after) for one in past.series_id.tolist()], np.int64)
    rows = Log(past.seq[unread], past.series_id[unread], past.ds[unread], past.y[unread], past.available_at[unread])
    folding.take_in(engine, champion, rows)
    if restored is not None and restored.stale.any():
        folding.rebuild(engine, champion, restored.series[restored.stale])
    champion.seq = int(past.seq[-1]) if len(past.seq) else after
    return champion, len(rows.seq)


def _anchored(engine: Engine, dataset: Dataset, promotion: Promotion) -> Champion:
    """The champion as it was at its promotion: every series at its anchor."""
    digest = next(row.digest for row in models.models(engine, dataset.id) if row.version == promotion.version)
    roller = Roller(bundle.from_bytes(models.artifact(engine, dataset.id, promotion.version), digest))
    anchor_seq, blobs = models.contexts(engine, promotion.id)
    contexts = Contexts.unpack(blobs, roller.fingerprint, roller.config.context)
    states = States(roller, np.zeros(0, np.int64), roller.empty(0), np.zeros(0, np.int64))
    return Champion(
        dataset.id,
        dataset.grid,
        promotion.id,
        promotion.version,
        digest,
        roller,
        contexts,
        anchor_seq,
        states,
        anchor_seq,
    )


def _lay_over(champion: Champion, restored: snapshots.Restored | None) -> tuple[int, dict[int, int]]:
    """Fill the states from snapshots, and from contexts where there is none.

    Returns the position of the log to read on from, and for each restored series the position it has reached already.
    """
    contexts, roller = champion.contexts, champion.roller
    kept = np.empty(0, np.int64) if restored is None else restored.series
    unknown = contexts.series[~np.isin(contexts.series, kept)]
    values, origin = contexts.take(unknown)
    fresh = roller.start(values, origin)
    anchored = np.full(len(unknown), champion.anchor_seq)
    if restored is None:
        champion.states = States(roller, unknown, fresh, anchored)
        return champion.anchor_seq, {}
    champion.states = States(
        roller,
        np.concatenate([restored.series, unknown]),
        restored.state.append(fresh),
        np.concatenate([restored.sequence, anchored]),
    )
    reached = dict(zip(restored.series.tolist(), restored.position.tolist(), strict=True))
    trusted = restored.complete is not None and not unknown.size
    return (restored.complete if trusted and restored.complete is not None else champion.anchor_seq), reached
