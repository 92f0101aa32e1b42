"""The state of one series as it was at a moment: folded again, from the nearest snapshot or context before it.

A state is the fold of the log's rows up to a position, so one of the past is made from the rows that were there then,
with the values that they had. A snapshot counts unless a row that came after it, up to that moment, is not newer than
its origin: then an older one does, or the context.
"""

from dataclasses import dataclass
from itertools import chain

import numpy as np
from sqlalchemy import Engine

from data import clock
from data.errors import DamagedArtifact
from data.history import log_moments
from data.store import anchors, observation_log, promotions, snapshot_store
from data.store.anchors import Anchor
from data.store.catalogue import Dataset
from data.store.promotions import Promotion
from forecasting.rolling.state import RollingState
from states import build_champion, folding
from states.build_champion import Anchored
from states.champion import Champion
from states.checkpoints import shards_of
from states.out_of_order import BEGINNING
from states.rows import Rows
from states.views.series_state import SeriesState

MOST = 2_000  # rows of the series that are folded
ONLY = np.array([0])


@dataclass(frozen=True)
class PastMoment:
    """After row `seq` of the log and before the next one of the dataset, at a time in microseconds since 1970 UTC."""

    seq: int
    at: int


class OutOfReach(Exception):
    """No state of this moment can be made. `first` is the first later time of which one can, if there is one."""

    def __init__(self, first: int | None) -> None:
        self.first = first
        super().__init__(f"reachable from {first}")


def after_row(engine: Engine, dataset_id: int, seq: int) -> PastMoment:
    """The last moment before the next row after row `seq`."""
    following = log_moments.stamp_after(engine, dataset_id, seq)
    return PastMoment(seq, clock.now() if following is None else following - 1)


def at_time(engine: Engine, dataset_id: int, at: int) -> PastMoment:
    """A time of the clock."""
    return PastMoment(log_moments.seq_at(engine, dataset_id, at), at)


@dataclass(frozen=True)
class Origin:
    """Where the states of a time start: the version that served then, and its anchor."""

    promotion: Promotion
    anchor: Anchor


def find_origin(engine: Engine, dataset_id: int, moment: PastMoment) -> Origin:
    """Where the states of a moment start. Raises OutOfReach where no context is kept that is old enough."""
    known = _origins(engine, dataset_id)
    served = [d for d in promotions.decisions(engine, dataset_id) if d.serves and d.decided_at <= moment.at]
    fits = [
        origin
        for origin in known
        if served
        and origin.promotion.id == served[-1].id
        and origin.anchor.log_seq <= moment.seq
        and _begin(origin) <= moment.at
    ]
    if not fits:
        raise OutOfReach(min((_begin(origin) for origin in known if _begin(origin) > moment.at), default=None))
    return fits[-1]


def _origins(engine: Engine, dataset_id: int) -> list[Origin]:
    """Those whose contexts are stored, and whose rows are all in the log; oldest first."""
    serving = {decision.id: decision for decision in promotions.decisions(engine, dataset_id) if decision.serves}
    found = [anchor for anchor in anchors.anchors(engine, dataset_id) if anchor.promotion_id in serving]
    void = {anchor.promotion_id: anchor.anchor_id for anchor in found if anchor.refold}  # all before the newest such
    whole = observation_log.whole_after(engine, dataset_id)
    return [
        Origin(serving[anchor.promotion_id], anchor)
        for anchor in found
        if anchor.anchor_id >= void.get(anchor.promotion_id, 0)
        and anchor.log_seq >= whole
        and anchors.shards(engine, anchor)
    ]


def _begin(origin: Origin) -> int:
    """The time from which states started there: a later anchor is taken over when it is made."""
    again = origin.anchor.refold or origin.anchor.log_seq == origin.promotion.log_seq
    return origin.promotion.decided_at if again else origin.anchor.made_at


def recompute(
    engine: Engine, anchored: Anchored, series: int, moment: PastMoment
) -> tuple[Champion, SeriesState | None]:
    """The model that served, and the state of one series; None where it had none.

    Raises:
        OutOfReach: more than `MOST` rows of the series lie between the nearest start and the moment.
        DamagedArtifact: a context is not what was promoted.
        StoreUnavailable: the live store does not answer.
    """
    champion = build_champion.without_states(engine, anchored, moment.seq)
    found = _fold(engine, champion, series, moment)
    if found is None:
        return champion, None
    state, sequence = found
    newest = log_moments.newest_ds(engine, champion.dataset_id, moment.seq)
    steps = champion.contexts.newest if newest is None else int(champion.grid.steps([newest])[0])
    champion.states.newest = max(champion.contexts.newest, steps, int(state.origin[0]))
    return champion, SeriesState(state, sequence, False, bool(champion.states.silent(state, ONLY)[0]))


def _fold(engine: Engine, champion: Champion, series: int, moment: PastMoment) -> tuple[RollingState, int] | None:
    """The state, and the position of the log that it knows."""
    only, floor = np.array([series]), _floor(champion, series)
    snapshots = champion.checkpoints.starts(engine, series, newest_first=True)
    for start in chain(snapshots, [None]):  # last the context
        after = start.seq if start else champion.anchor_seq
        log = log_moments.rows_of_series(engine, champion.dataset_id, series, after, moment.seq, floor, MOST)
        if log is None:
            raise OutOfReach(_next_start(engine, champion, series, moment))
        rows = Rows.of_log(log, champion.grid)
        rows = rows.select(np.argsort(rows.sequence)).current()
        if start is None:
            state, (begun,) = folding.start(champion, only, rows)
        elif len(rows) and rows.steps[0] <= start.origin:
            continue  # a correction, or a late row
        else:
            state, begun = start.state, start.origin
        later = rows.select(rows.steps > begun)
        champion.roller.fold(state, np.zeros(len(later), np.int64), later.steps, later.values, anew=later.anew)
        known = int(rows.sequence.max(initial=start.sequence if start else champion.anchor_seq))
        return None if state.blank(ONLY)[0] else (state, known)
    return None


def _floor(champion: Champion, series: int) -> int:
    """Rows up to this stamp are older than the context, and change nothing."""
    only = np.array([series])
    if not champion.contexts.has(only)[0]:
        return BEGINNING
    return int(champion.grid.stamps(champion.contexts.floors(only))[0])


def _next_start(engine: Engine, champion: Champion, series: int, moment: PastMoment) -> int | None:
    """The time of the first snapshot of the series after a moment."""
    (shard,) = shards_of(np.array([series])).tolist()
    kept = snapshot_store.positions(engine, champion.dataset_id, champion.anchor_id).get(shard, [])
    later = next((seq for seq in kept if seq > moment.seq), None)
    stamp = None if later is None else observation_log.stamp(engine, champion.dataset_id, later)
    return None if stamp is None else max(stamp, champion.decided_at)


def load(engine: Engine, dataset: Dataset, origin: Origin) -> Anchored:
    """Model and contexts. Raises OutOfReach where they are not what was promoted."""
    try:
        return build_champion.load(engine, dataset, origin.promotion, origin.anchor)
    except DamagedArtifact:
        begins = [_begin(other) for other in _origins(engine, dataset.id) if other.promotion.id > origin.promotion.id]
        raise OutOfReach(min(begins, default=None)) from None
