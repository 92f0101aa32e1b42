"""Keeping states equal to the fold of the log: new values advance them, corrections and late rows rebuild them.

The rule, whatever the order of arrival: a series' state is its context, with the log's current values laid over it,
folded with the log's current values after it, oldest first. Everything here reaches that state by a shorter way where
there is one.

Scores follow a rule of their own: a forecast is settled by the first row of its step, when that comes, if it is newer
than every row of its series before. So corrections, late rows and rebuilt states settle nothing, and a row settles
once however often it is read.
"""

import logging
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Engine

from data.errors import DamagedArtifact, StoreUnavailable
from data.store import observation_log
from forecasting.rolling.online_scores import Ledger
from forecasting.rolling.roller import RollingState
from states.champion import Champion
from states.out_of_order import BEGINNING

log = logging.getLogger("rollcast.service")

CHUNK = 1024  # series folded on one copy
REPLAY = 2_000  # rows of one series that a correction may fold again before it is answered
REPLAYS = 50_000  # the same for all series of one batch


def catch_up(engine: Engine, champion: Champion, upto: int | None = None) -> int:
    """Take in what the log holds beyond the champion's position. Returns the number of rows."""
    found = observation_log.log(engine, champion.dataset_id, after=champion.seq, upto=upto)
    take_in(engine, champion, found)
    if upto is not None:
        champion.seq = max(champion.seq, upto)
    return len(found.seq)


def take_in(engine: Engine, champion: Champion, rows: observation_log.Log) -> int:
    """Advance the states by committed rows of the log, oldest `seq` first, and move the champion's position.

    Returns how many rows were read again on account of corrections and late rows.
    """
    if not len(rows.seq):
        return 0
    champion.states.ensure(rows.series_id)
    series, steps, values, sequence, told = newest(champion, rows)
    before = champion.contexts.before(series, steps)  # older than anything a state has ever read
    _note(champion, series[before], sequence[before])
    series, steps, values, sequence, told = (x[~before] for x in (series, steps, values, sequence, told))
    behind = steps <= champion.states.origins(series)
    champion.checkpoints.amendments.note(series[behind], steps[behind], sequence[behind])
    old = np.unique(series[behind])
    champion.states.mark_stale(champion.states.rows_of(old))  # until they are rebuilt, a moment later
    advance(champion, *(x[~behind] for x in (series, steps, values, sequence, told)))  # scored on what was known
    replayed = rebuild(engine, champion, old)  # and only now is the past another
    champion.seq = max(champion.seq, int(rows.seq[-1]))
    return replayed


def newest(champion: Champion, rows: observation_log.Log) -> tuple[np.ndarray, ...]:
    """series, steps, values, sequence, told: one per (series, step), ordered by series, then step.

    `values` and `sequence` are those of the latest row; `told` is the value of the first, NaN where a later step of its
    series came before it: what its forecast is scored on.
    """
    steps = champion.grid.steps(rows.ds)
    order = np.lexsort((rows.seq, steps, rows.series_id))
    series, steps = rows.series_id[order], steps[order]
    last = np.append((np.diff(series) != 0) | (np.diff(steps) != 0), True)[: len(series)]
    first = np.append(True, last[:-1])[: len(series)]
    values, sequence = rows.y[order], rows.seq[order]
    told = np.where(_in_turn(series[first], sequence[first]), values[first], np.nan)
    return series[last], steps[last], values[last], sequence[last], told


def _in_turn(series: np.ndarray, sequence: np.ndarray) -> np.ndarray:
    """(k,) bool: did each row come before every later step of its series? Ordered by series, then step."""
    if not len(series):
        return np.zeros(0, bool)
    own = np.append(0, np.cumsum(np.diff(series) != 0))
    position = sequence - sequence.min() + own * (np.ptp(sequence) + 1)  # later series lie beyond earlier ones
    return np.asarray(position == np.minimum.accumulate(position[::-1])[::-1])


def _note(champion: Champion, series: np.ndarray, sequence: np.ndarray) -> None:
    unique, own = np.unique(series, return_inverse=True)
    reached = np.zeros(len(unique), np.int64)
    np.maximum.at(reached, own, sequence)
    champion.states.advance_sequence(champion.states.rows_of(unique), reached)


def advance(
    champion: Champion,
    series: np.ndarray,
    steps: np.ndarray,
    values: np.ndarray,
    sequence: np.ndarray,
    told: np.ndarray,
) -> None:
    """Fold values that are newer than their series' origin, and settle what aimed at them; see `newest`."""
    unique, begin = np.unique(series, return_index=True)
    stop = np.append(begin[1:], len(series))
    for i in range(0, len(unique), CHUNK):
        part = slice(begin[i], stop[min(i + CHUNK, len(unique)) - 1])
        _advance(champion, unique[i : i + CHUNK], *(x[part] for x in (series, steps, values, sequence, told)))


def _advance(
    champion: Champion,
    unique: np.ndarray,
    series: np.ndarray,
    steps: np.ndarray,
    values: np.ndarray,
    sequence: np.ndarray,
    told: np.ndarray,
) -> None:
    states = champion.states
    rows = states.rows_of(unique)
    (state, reached), ledger = states.copy(rows), Ledger.of(champion.config, len(rows))
    own = np.searchsorted(unique, series)
    np.maximum.at(reached, own, sequence)
    try:
        champion.roller.fold(state, own, steps, values, ledger, told)
    except Exception:
        _one_by_one(champion, unique, series, steps, values, sequence, told)
        return
    states.publish(rows, state, reached, ledger)  # who was stale stays so: this does not mend what is missing before


def _one_by_one(champion: Champion, unique: np.ndarray, *columns: np.ndarray) -> None:
    """A value that no arithmetic can take must not hold up the series beside it; the log has it, the state says so."""
    if len(unique) == 1:
        log.exception("series %d of dataset %d cannot follow its log", unique[0], champion.dataset_id)
        champion.states.mark_stale(champion.states.rows_of(unique))
        return
    for one in unique:
        mine = columns[0] == one
        _advance(champion, np.array([one]), *(column[mine] for column in columns))


def rebuild(engine: Engine, champion: Champion, series: np.ndarray) -> int:
    """Fold series (distinct, ascending) anew where they were corrected: from a checkpoint, or else from their anchors.

    What would take more than `REPLAY` rows of one series or `REPLAYS` in all is owed: said to be stale, and folded in
    the background (`mending`). Returns how many rows were read again.
    """
    replayed = 0
    for i in range(0, len(series), CHUNK):
        begun = begin(engine, champion, series[i : i + CHUNK])
        sizes = np.array(observation_log.tail_sizes(engine, champion.dataset_id, begun.after, REPLAY + 1), np.int64)
        now = (sizes <= REPLAY) & (np.cumsum(sizes) + replayed <= REPLAYS)
        owe(champion, begun.series[~now])
        replayed += int(sizes[now].sum())
        resume(engine, champion, begun.only(np.flatnonzero(now)))
    return replayed


@dataclass(frozen=True)
class Begun:
    """States of series (n,) from which their log is to be folded on: a checkpoint each, or where there is none the
    blank state, for which the anchor is still to be read."""

    series: np.ndarray
    state: RollingState
    kept: np.ndarray  # (n,) bool: from a checkpoint
    after: list[tuple[int, int]]  # (series, ds): the log's later stamps are still to be folded

    def only(self, rows: np.ndarray) -> "Begun":
        after = [self.after[row] for row in rows.tolist()]
        return Begun(self.series[rows], self.state.take(rows), self.kept[rows], after)


def begin(engine: Engine, champion: Champion, series: np.ndarray) -> Begun:
    """Where the fold of each series (distinct, ascending) can be taken up again."""
    state = champion.roller.empty(len(series))
    kept = champion.checkpoints.find(engine, series, state)
    floor = np.full(len(series), BEGINNING)
    known = np.flatnonzero(~kept & champion.contexts.has(series))
    floor[known] = champion.contexts.floors(series[known])
    stamps = np.full(len(series), BEGINNING)
    reached = kept | (floor != BEGINNING)
    stamps[reached] = champion.grid.stamps(np.where(kept, state.origin, floor)[reached])
    return Begun(series, state, kept, list(zip(series.tolist(), stamps.tolist(), strict=True)))


def resume(engine: Engine, champion: Champion, begun: Begun) -> None:
    """Fold the log onto what was begun, and let the series answer from it."""
    if not len(begun.series):
        return
    try:
        state, reached = replay(engine, champion, begun)
    except StoreUnavailable:
        raise
    except Exception:
        if len(begun.series) > 1:  # one that no arithmetic can take must not hold up the others
            for i in range(len(begun.series)):
                resume(engine, champion, begin(engine, champion, begun.series[i : i + 1]))
            return
        log.exception("series %d of dataset %d cannot be rebuilt", begun.series[0], champion.dataset_id)
        champion.states.mark_stale(champion.states.rows_of(begun.series))
        champion.owed.difference_update(begun.series.tolist())
        return
    champion.states.publish(champion.states.rows_of(begun.series), state, reached, whole=True)
    champion.owed.difference_update(begun.series.tolist())


def replay(engine: Engine, champion: Champion, begun: Begun) -> tuple[RollingState, np.ndarray]:
    """The states of what was begun, with all that the log says by now, and the log position that each knows."""
    past = observation_log.tail(engine, champion.dataset_id, begun.after)
    require_whole(engine, champion)  # only now: what went to the lake meanwhile was not read
    own_series, steps, values, sequence, _ = newest(champion, past)
    unread = sequence > champion.anchor_seq  # the contexts hold what came before
    own = np.searchsorted(begun.series, own_series[unread])
    steps, values, sequence = steps[unread], values[unread], sequence[unread]
    state, origin = begun.state, np.where(begun.kept, begun.state.origin, BEGINNING)
    fresh = np.flatnonzero(~begun.kept)
    if fresh.size:
        mine = np.isin(own, fresh)
        anchored, origin[fresh] = start(
            champion, begun.series[fresh], np.searchsorted(fresh, own[mine]), steps[mine], values[mine]
        )
        state.put(fresh, anchored)
    reached = np.full(len(begun.series), champion.anchor_seq)
    np.maximum.at(reached, own, sequence)
    after = steps > origin[own]
    champion.roller.fold(state, own[after], steps[after], values[after])
    return state, reached


def require_whole(engine: Engine, champion: Champion) -> None:
    """Raises DamagedArtifact where rows beyond the champion's anchors went to the lake: a fold would miss them.

    The hand-off keeps to what every model in use has in its contexts; so this one is in use no more.
    """
    if observation_log.whole_after(engine, champion.dataset_id) > champion.anchor_seq:
        raise DamagedArtifact(
            f"The contexts of anchor {champion.anchor_id} are older than the live log; promote again."
        )


def owe(champion: Champion, series: np.ndarray) -> None:
    """These series will be folded anew in the background; until then they say that they are stale."""
    champion.states.mark_stale(champion.states.rows_of(series))
    champion.owed.update(series.tolist())


@dataclass(frozen=True)
class Folded:
    """States of series (n,) that were folded elsewhere, from a log that reached row `seq` at least."""

    series: np.ndarray
    state: RollingState
    seq: int


def adopt(engine: Engine, champion: Champion, folded: Folded) -> None:
    """Bring them to the log's end and answer from them; who was corrected meanwhile is owed still. Writer only."""
    origins, amendments = folded.state.origin, champion.checkpoints.amendments
    holds = [
        amendments.hold(one, folded.seq, origin)
        for one, origin in zip(folded.series.tolist(), origins.tolist(), strict=True)
    ]
    after = list(zip(folded.series.tolist(), champion.grid.stamps(origins).tolist(), strict=True))
    begun = Begun(folded.series, folded.state, np.ones(len(folded.series), bool), after)
    resume(engine, champion, begun.only(np.flatnonzero(holds)))


def start(
    champion: Champion, series: np.ndarray, own: np.ndarray, steps: np.ndarray, values: np.ndarray
) -> tuple[RollingState, np.ndarray]:
    """States of series (n,) at their anchors, and the grid step of each anchor.

    own, steps, values (k,) are the log's current values, `own` the position in `series`: those inside a context
    replace its values, those before it change nothing.
    """
    state = champion.roller.empty(len(series))
    origin = np.full(len(series), BEGINNING)  # no context: everything in the log comes after
    known = np.flatnonzero(champion.contexts.has(series))
    if not known.size:
        return state, origin
    context, origin[known] = champion.contexts.take(series[known])
    place = np.full(len(series), -1)
    place[known] = np.arange(len(known))
    mine = place[own] >= 0
    column = np.full(len(own), -1)
    column[mine] = context.shape[1] - 1 - (origin[own[mine]] - steps[mine])
    inside = (column >= 0) & (column < context.shape[1])
    context[place[own[inside]], column[inside]] = values[inside]
    state.put(known, champion.roller.start(context, origin[known]))
    return state, origin
