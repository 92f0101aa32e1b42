"""Keeps states equal to the fold of the log: new values advance them, corrections and late rows rebuild them.

The rule for the state of a series, in whatever order rows arrive: take its context, replace context values by current
log values, then fold the later ones, oldest first. The functions give the same result with less work.

Scores have a rule of their own. A forecast for a step is scored once, by the first row of that step, provided the row
is not late: it is newer than every earlier row of its series. So corrections, late rows and rebuilt states score
nothing, and a row scores once however often it is read.
"""

import logging
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Engine

from data.errors import DamagedArtifact, StoreUnavailable
from data.store import observation_log
from forecasting.rolling.state import STATE_ANEW, RollingState
from states.champion import Champion
from states.out_of_order import BEGINNING
from states.rows import Rows

log = logging.getLogger("rollcast.service")

CHUNK = 1024  # series folded on one copy
REPLAY = 2_000  # rows of one series that a correction may fold again before it is answered
REPLAYS = 50_000  # the same for all series of one batch
LOOKED_UP = 1_000  # rows of the log that are read as fast as one series is looked up, stamp by stamp
AT_ONCE = 16  # series that rows of another process may fold again before requests that wait have their turn


def catch_up(engine: Engine, champion: Champion, upto: int | None = None, at_once: int | None = None) -> int:
    """Take in what the log holds beyond the champion's position; see `take_in`. Returns the number of rows."""
    found = observation_log.log(engine, champion.dataset_id, after=champion.seq, upto=upto)
    take_in(engine, champion, Rows.of_log(found, champion.grid), at_once)
    if upto is not None:
        champion.seq = max(champion.seq, upto)
    return len(found)


def catch_up_some(engine: Engine, champion: Champion, upto: int, most: int) -> int:
    """Take in at most `most` rows beyond the champion's position, up to row `upto`. Returns the number of rows."""
    last = observation_log.nth(engine, champion.dataset_id, champion.seq, upto, most)
    return 0 if last is None else catch_up(engine, champion, last, AT_ONCE)


def catch_up_only(engine: Engine, champion: Champion, series: np.ndarray, upto: int | None = None) -> None:
    """Take in what the log holds of some series (k,) beyond the champion's position, which stays where it is."""
    seq, wanted = champion.seq, np.unique(series)
    end = observation_log.end(engine) if upto is None else upto
    if len(wanted) * LOOKED_UP < end - seq:
        champion.states.ensure(wanted)
        found = observation_log.tail(engine, champion.dataset_id, _floors(champion, wanted))
        found = found.select((found.seq > seq) & (found.seq <= end))
    else:
        found = observation_log.log(engine, champion.dataset_id, after=seq, upto=end, series=wanted.tolist())
    take_in(engine, champion, Rows.of_log(found, champion.grid))
    champion.seq = seq


def _floors(champion: Champion, series: np.ndarray) -> list[tuple[int, int]]:
    """(series, ds) of series (n,), ascending: later rows may matter to their states."""
    stamps = np.full(len(series), BEGINNING)
    known = champion.contexts.has(series)
    stamps[known] = champion.grid.stamps(champion.contexts.floors(series[known]))
    return list(zip(series.tolist(), stamps.tolist(), strict=True))


def take_in(engine: Engine, champion: Champion, logged: Rows, at_once: int | None = None) -> int:
    """Advance the states by rows of the log in its order, and move the champion's position.

    Rows that a series' state knows already are left out. Where corrections and late rows concern more than `at_once`
    series, these are folded again in the background. Returns how many rows were read again because of them.
    """
    if not len(logged):
        return 0
    champion.states.ensure(logged.series)
    seq = max(champion.seq, int(logged.sequence[-1]))
    logged = logged.select(logged.sequence > champion.states.sequences(logged.series))
    if not len(logged):
        champion.seq = seq
        return 0
    rows = logged.current()
    before = champion.contexts.before(rows.series, rows.steps)
    if before.any():  # older than anything a state has ever read
        _note_position(champion, rows.select(before))
        rows = rows.select(~before)
    shifted = np.unique(rows.series[rows.anew == STATE_ANEW])
    if shifted.size:
        champion.states.measure_anew(champion.states.rows_of(shifted))
    behind = rows.steps <= champion.states.origins(rows.series)
    if behind.any():
        replayed = _take_in_late(engine, champion, rows, behind, at_once)
    else:
        advance(champion, rows)
        replayed = 0
    champion.seq = seq
    return replayed


def _take_in_late(engine: Engine, champion: Champion, rows: Rows, behind: np.ndarray, at_once: int | None) -> int:
    """`take_in` where some rows, `behind` (k,) bool, are not newer than their series' origin."""
    late = rows.select(behind)
    champion.checkpoints.out_of_order.note(late.series, late.steps, late.sequence)
    changed = np.unique(late.series)
    waiting = np.isin(changed, np.fromiter(champion.pending, np.int64, len(champion.pending)))
    champion.states.mark_stale(champion.states.rows_of(changed))  # until they are rebuilt, a moment later
    advance(champion, rows.select(~behind))  # scored on what was known before the corrections
    changed = changed[~waiting]  # the others are folded again later anyway
    if at_once is not None and len(changed) > at_once:
        defer(champion, changed)
        return 0
    return rebuild(engine, champion, changed)


def _note_position(champion: Champion, rows: Rows) -> None:
    """The series know of these rows of the log, which leave their states as they are."""
    series, own = np.unique(rows.series, return_inverse=True)
    reached = np.zeros(len(series), np.int64)
    np.maximum.at(reached, own, rows.sequence)
    champion.states.advance_sequence(champion.states.rows_of(series), reached)


def advance(champion: Champion, rows: Rows) -> None:
    """Fold current values that are newer than their series' origin, and settle the forecasts of their steps.

    The rows are ordered by series, then step, one for each.
    """
    series, begin = np.unique(rows.series, return_index=True)
    stop = np.append(begin[1:], len(rows))
    for i in range(0, len(series), CHUNK):
        part = slice(begin[i], stop[min(i + CHUNK, len(series)) - 1])
        _advance(champion, series[i : i + CHUNK], rows.select(part))


def _advance(champion: Champion, series: np.ndarray, rows: Rows) -> None:
    """`advance` for the rows of `series` (distinct, ascending), on one copy of their states."""
    states, model = champion.states, champion.roller
    own = states.rows_of(series)
    (state, reached), ledger = states.copy(own), model.ledger(len(own))
    place = np.searchsorted(series, rows.series)
    np.maximum.at(reached, place, rows.sequence)
    try:
        model.fold(state, place, rows.steps, rows.values, ledger, rows.first_values, rows.anew)
    except Exception:
        _one_by_one(champion, series, rows)
        return
    states.publish(own, state, reached, ledger)  # a stale series stays so: an earlier row is missing still


def _one_by_one(champion: Champion, series: np.ndarray, rows: Rows) -> None:
    """A value that the arithmetic cannot take must not stop other series. The log keeps it; the series is stale."""
    if len(series) == 1:
        log.exception("series %d of dataset %d cannot follow its log", series[0], champion.dataset_id)
        champion.states.mark_stale(champion.states.rows_of(series))
        return
    for number in series:
        _advance(champion, np.array([number]), rows.select(rows.series == number))


def rebuild(engine: Engine, champion: Champion, series: np.ndarray) -> int:
    """Fold series (distinct, ascending) again after corrections: from a checkpoint, or else from their anchors.

    A series that needs more than `REPLAY` rows, or all of them more than `REPLAYS`, is deferred: it is stale until it
    is folded in the background. Returns how many rows were read again.
    """
    replayed = 0
    for i in range(0, len(series), CHUNK):
        begun = begin(engine, champion, series[i : i + CHUNK])
        sizes = np.array(observation_log.tail_sizes(engine, champion.dataset_id, begun.after, REPLAY + 1), np.int64)
        small = (sizes <= REPLAY) & (np.cumsum(sizes) + replayed <= REPLAYS)
        defer(champion, begun.series[~small])
        replayed += int(sizes[small].sum())
        resume(engine, champion, begun.only(np.flatnonzero(small)))
    return replayed


def rebuild_deferred(engine: Engine, champion: Champion) -> None:
    """Fold every deferred series again, however long its tail is."""
    series = np.array(sorted(champion.pending), np.int64)
    for i in range(0, len(series), CHUNK):
        resume(engine, champion, begin(engine, champion, series[i : i + CHUNK]))


@dataclass(frozen=True)
class Begun:
    """States of series (n,) from which their log is to be folded on: a checkpoint each, or where there is none the
    blank state, for which the anchor is still to be read."""

    series: np.ndarray
    state: RollingState
    kept: np.ndarray  # (n,) bool: from a checkpoint
    after: list[tuple[int, int]]  # (series, ds): the log's later stamps are still to be folded

    def only(self, rows: np.ndarray) -> "Begun":
        """Some of them."""
        after = [self.after[row] for row in rows.tolist()]
        return Begun(self.series[rows], self.state.take(rows), self.kept[rows], after)


def begin(engine: Engine, champion: Champion, series: np.ndarray) -> Begun:
    """Where the fold of each series (distinct, ascending) can be taken up again."""
    state = champion.roller.empty(len(series))
    return begun_from(champion, series, state, champion.checkpoints.find(engine, series, state))


def begun_from(champion: Champion, series: np.ndarray, state: RollingState, kept: np.ndarray) -> Begun:
    """The states (n rows) of series (n,); where none was `kept` (n,) bool, the anchor is to be read."""
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
        if len(begun.series) > 1:  # one that the arithmetic cannot take must not stop the others
            for i in range(len(begun.series)):
                resume(engine, champion, begin(engine, champion, begun.series[i : i + 1]))
            return
        log.exception("series %d of dataset %d cannot be rebuilt", begun.series[0], champion.dataset_id)
        champion.states.mark_stale(champion.states.rows_of(begun.series))
        champion.pending.difference_update(begun.series.tolist())
        return
    champion.states.publish(champion.states.rows_of(begun.series), state, reached, whole=True)
    champion.pending.difference_update(begun.series.tolist())


def replay(engine: Engine, champion: Champion, begun: Begun) -> tuple[RollingState, np.ndarray]:
    """The states of what was begun, with all that the log says by now, and the log position that each knows."""
    tail = observation_log.tail(engine, champion.dataset_id, begun.after)
    require_whole(engine, champion)  # only now: what went to the lake meanwhile was not read
    if champion.upto is not None:
        tail = tail.select(tail.seq <= champion.upto)
    rows = Rows.of_log(tail, champion.grid).current()
    rows = rows.select(rows.sequence > champion.anchor_seq)  # the contexts hold what came before
    own = np.searchsorted(begun.series, rows.series)
    state, origin = begun.state, np.where(begun.kept, begun.state.origin, BEGINNING)
    fresh = np.flatnonzero(~begun.kept)
    if fresh.size:
        anchored, origin[fresh] = start(champion, begun.series[fresh], rows.select(np.isin(own, fresh)))
        state.put(fresh, anchored)
    reached = np.full(len(begun.series), champion.anchor_seq)
    np.maximum.at(reached, own, rows.sequence)
    after = rows.steps > origin[own]
    champion.roller.fold(state, own[after], rows.steps[after], rows.values[after], anew=rows.anew[after])
    return state, reached


def require_whole(engine: Engine, champion: Champion) -> None:
    """Raises DamagedArtifact where rows beyond the champion's anchors went to the lake: a fold would miss them.

    The hand-off moves only rows that every model in use has in its contexts, so this model is in use no more.
    """
    if observation_log.whole_after(engine, champion.dataset_id) > champion.anchor_seq:
        raise DamagedArtifact(
            f"The contexts of anchor {champion.anchor_id} are older than the live log; promote again."
        )


def defer(champion: Champion, series: np.ndarray) -> None:
    """These series will be folded again in the background; until then they are stale."""
    champion.states.mark_stale(champion.states.rows_of(series))
    champion.pending.update(series.tolist())


@dataclass(frozen=True)
class Folded:
    """States of series (n,) that were folded elsewhere, from a log that reached row `seq` at least."""

    series: np.ndarray
    state: RollingState
    seq: int


def merge(engine: Engine, champion: Champion, folded: Folded) -> None:
    """Bring them to the log's end and answer from them; a series corrected meanwhile stays deferred.

    Used by the writer thread only.
    """
    origins, out_of_order = folded.state.origin, champion.checkpoints.out_of_order
    holds = [
        out_of_order.holds(series, folded.seq, origin)
        for series, origin in zip(folded.series.tolist(), origins.tolist(), strict=True)
    ]
    after = list(zip(folded.series.tolist(), champion.grid.stamps(origins).tolist(), strict=True))
    begun = Begun(folded.series, folded.state, np.ones(len(folded.series), bool), after)
    resume(engine, champion, begun.only(np.flatnonzero(holds)))


def start(champion: Champion, series: np.ndarray, rows: Rows) -> tuple[RollingState, np.ndarray]:
    """States of series (n,), ascending, at their anchor steps, and the anchor step of each; `BEGINNING` where none is.

    rows are the log's current values of these series: those inside a context replace its values, those before it change
    nothing.
    """
    state = champion.roller.empty(len(series))
    origin = np.full(len(series), BEGINNING)  # no context: everything in the log comes after
    known = np.flatnonzero(champion.contexts.has(series))
    if not known.size:
        return state, origin
    context, origin[known], carried = champion.contexts.take(series[known])
    own = np.searchsorted(series, rows.series)
    place = np.full(len(series), -1)
    place[known] = np.arange(len(known))
    mine = place[own] >= 0
    column = np.full(len(own), -1)
    column[mine] = context.shape[1] - 1 - (origin[own[mine]] - rows.steps[mine])
    inside = (column >= 0) & (column < context.shape[1])
    context[place[own[inside]], column[inside]] = rows.values[inside]
    carried = {name: carried[name] for name in champion.roller.carried if name in carried}  # scores are no part of it
    state.put(known, champion.roller.start(context, origin[known], carried))
    return state, origin
