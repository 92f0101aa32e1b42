"""Keeping states equal to the fold of the log: new values advance them, corrections and late rows rebuild them.

The rule, whatever the order of arrival: a series' state is its context, with the log's current values laid over it,
folded with the log's current values after it, oldest first. Everything here reaches that state by a shorter way where
there is one.
"""

import logging

import numpy as np
from sqlalchemy import Engine

from data import live
from forecasting.rolling import RollingState
from service.champion import Champion

log = logging.getLogger("rollcast.service")

CHUNK = 1024  # series folded on one copy


def catch_up(engine: Engine, champion: Champion, upto: int | None = None) -> int:
    """Take in what the log holds beyond the champion's position. Returns the number of rows."""
    found = live.log(engine, champion.dataset_id, after=champion.seq, upto=upto)
    take_in(engine, champion, found)
    if upto is not None:
        champion.seq = max(champion.seq, upto)
    return len(found.seq)


def take_in(engine: Engine, champion: Champion, rows: live.Log) -> None:
    """Advance the states by committed rows of the log, oldest `seq` first, and move the champion's position."""
    if not len(rows.seq):
        return
    champion.states.ensure(rows.series_id.tolist())
    series, steps, values, sequence = newest(champion, rows)
    before = champion.contexts.before(series, steps)  # older than anything a state has ever read
    _note(champion, series[before], sequence[before])
    series, steps, values, sequence = series[~before], steps[~before], values[~before], sequence[~before]
    old = np.isin(series, series[steps <= champion.states.origins(series)])
    advance(champion, series[~old], steps[~old], values[~old], sequence[~old])
    rebuild(engine, champion, np.unique(series[old]))
    champion.seq = max(champion.seq, int(rows.seq[-1]))


def newest(champion: Champion, rows: live.Log) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """series, steps, values, sequence of the rows, one per (series, step): the latest; ordered by series, then step."""
    steps = champion.grid.steps(rows.ds)
    order = np.lexsort((rows.seq, steps, rows.series_id))
    series, steps = rows.series_id[order], steps[order]
    last = np.append((np.diff(series) != 0) | (np.diff(steps) != 0), True)[: len(series)]
    return series[last], steps[last], rows.y[order][last], rows.seq[order][last]


def _note(champion: Champion, series: np.ndarray, sequence: np.ndarray) -> None:
    unique, own = np.unique(series, return_inverse=True)
    reached = np.zeros(len(unique), np.int64)
    np.maximum.at(reached, own, sequence)
    champion.states.advance_sequence(champion.states.rows_of(unique), reached)


def advance(
    champion: Champion, series: np.ndarray, steps: np.ndarray, values: np.ndarray, sequence: np.ndarray
) -> None:
    """Fold values that are newer than their series' origin; ordered by series, then step."""
    unique, begin = np.unique(series, return_index=True)
    stop = np.append(begin[1:], len(series))
    for i in range(0, len(unique), CHUNK):
        part = slice(begin[i], stop[min(i + CHUNK, len(unique)) - 1])
        _advance(champion, unique[i : i + CHUNK], series[part], steps[part], values[part], sequence[part])


def _advance(
    champion: Champion,
    unique: np.ndarray,
    series: np.ndarray,
    steps: np.ndarray,
    values: np.ndarray,
    sequence: np.ndarray,
) -> None:
    states = champion.states
    rows = states.rows_of(unique)
    state, reached = states.copy(rows)
    own = np.searchsorted(unique, series)
    np.maximum.at(reached, own, sequence)
    try:
        champion.roller.fold(state, own, steps, values)
    except Exception:
        _one_by_one(champion, unique, series, steps, values, sequence)
        return
    states.publish(rows, state, reached)


def _one_by_one(champion: Champion, unique: np.ndarray, *columns: np.ndarray) -> None:
    """A value that no arithmetic can take must not hold up the series beside it; the log has it, the state says so."""
    if len(unique) == 1:
        log.exception("series %d of dataset %d cannot follow its log", unique[0], champion.dataset_id)
        champion.states.mark_stale(champion.states.rows_of(unique))
        return
    for one in unique:
        mine = columns[0] == one
        _advance(champion, np.array([one]), *(column[mine] for column in columns))


def rebuild(engine: Engine, champion: Champion, series: np.ndarray) -> None:
    """Fold series (distinct, ascending) anew from their anchors: after a correction or a late row."""
    for i in range(0, len(series), CHUNK):
        chunk = series[i : i + CHUNK]
        past = live.log(engine, champion.dataset_id, after=champion.anchor_seq, series=chunk.tolist())
        _rebuild(champion, chunk, past)


def _rebuild(champion: Champion, series: np.ndarray, past: live.Log) -> None:
    """`past` holds every row of the log of these series since the anchor."""
    own_series, steps, values, sequence = newest(champion, past)
    own = np.searchsorted(series, own_series)
    state, origin = start(champion, series, own, steps, values)
    reached = np.full(len(series), champion.anchor_seq)
    np.maximum.at(reached, own, sequence)
    after = steps > origin[own]
    try:
        champion.roller.fold(state, own[after], steps[after], values[after])
    except Exception:
        log.exception("%d series of dataset %d cannot be rebuilt", len(series), champion.dataset_id)
        champion.states.mark_stale(champion.states.rows_of(series))
        return
    champion.states.publish(champion.states.rows_of(series), state, reached)


def start(
    champion: Champion, series: np.ndarray, own: np.ndarray, steps: np.ndarray, values: np.ndarray
) -> tuple[RollingState, np.ndarray]:
    """States of series (n,) at their anchors, and the grid step of each anchor.

    own, steps, values (k,) are the log's current values, `own` the position in `series`: those inside a context
    replace its values, those before it change nothing.
    """
    state = champion.roller.empty(len(series))
    origin = np.full(len(series), np.iinfo(np.int64).min)  # no context: everything in the log comes after
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
