"""A new anchor of a promoted version: its states start nearer to the log's end, so that older rows may leave the log.

What the model carries, and the scores, go over to it; the hidden state is read anew from the values before the anchor.
"""

from __future__ import annotations

import numpy as np
from sqlalchemy import Engine

from data.store import anchors, observation_log
from data.store.anchors import Anchor
from data.store.catalogue import Dataset
from data.store.promotions import Promotion
from states import build_champion, folding
from states.champion import Champion
from states.contexts import PackedContexts
from states.out_of_order import BEGINNING
from states.rows import Rows


def reanchor(engine: Engine, dataset: Dataset, promotion: Promotion) -> Anchor | None:
    """Add an anchor at the log's end, from live store and artifact alone.

    Returns None where another process added one meanwhile, or none is needed. Raises as `build_champion.build` does.
    """
    anchored = build_champion.load(engine, dataset, promotion)
    upto = observation_log.last_seq(engine, dataset.id)
    if upto <= anchored.anchor.log_seq:
        return None
    log = observation_log.log(engine, dataset.id, after=anchored.anchor.log_seq, upto=upto)
    champion, _ = build_champion.restore(engine, anchored, lambda after, _: log.select(log.seq > after), upto=upto)
    folding.rebuild_deferred(engine, champion)
    blobs = contexts_at(champion, Rows.of_log(log, dataset.grid)).pack(anchored.roller.fingerprint, f"log:{upto}")
    return anchors.replace(engine, anchored.anchor, upto, blobs)


def contexts_at(champion: Champion, logged: Rows) -> PackedContexts:
    """The last values of every series up to its origin, and what goes over from its state.

    logged: every row of the log after the champion's anchor.
    """
    series = np.sort(champion.states.series)
    rows = champion.states.rows_of(series)
    state, _ = champion.states.copy(rows)
    seen = ~state.blank(np.arange(len(series)))
    series, rows, state = series[seen], rows[seen], state.take(np.flatnonzero(seen))
    current = logged.current()
    valued = last_valued(champion, series, current)
    reach = np.minimum(state.origin, valued + champion.config.context - 1)
    origin = np.where(valued == BEGINNING, state.origin, reach)
    values = last_values(champion, series, origin, current)
    settled, unit = champion.states.settled(rows)
    scores = {"settled": settled, "unit": unit, "recent": champion.states.recent(rows)}
    carried = {name: state.arrays[name] for name in champion.roller.carried}
    return PackedContexts(series, values, origin, {**carried, **scores})


def last_valued(champion: Champion, series: np.ndarray, current: Rows) -> np.ndarray:
    """(n,) the newest step with a value of series (n,), ascending: each context reaches back to it."""
    found = np.full(len(series), BEGINNING)
    known = np.flatnonzero(champion.contexts.has(series))
    if known.size:
        old, last, _ = champion.contexts.take(series[known])
        found[known] = last - (~np.isnan(old))[:, ::-1].argmax(1)
    valued = current.select(~np.isnan(current.values) & np.isin(current.series, series))
    np.maximum.at(found, np.searchsorted(series, valued.series), valued.steps)
    return found


def last_values(champion: Champion, series: np.ndarray, origin: np.ndarray, current: Rows) -> np.ndarray:
    """(n, C) values of series (n,), ascending, up to grid step `origin` (n,): of the old contexts and of the log."""
    length = champion.config.context
    values = np.full((len(series), length), np.nan)
    known = np.flatnonzero(champion.contexts.has(series))
    if known.size:
        old, last, _ = champion.contexts.take(series[known])
        moved = origin[known] - last
        for shift in np.unique(moved[moved < length]).tolist():
            rows = np.flatnonzero(moved == shift)
            values[known[rows], : length - shift] = old[rows, shift:]
    own = np.minimum(np.searchsorted(series, current.series), max(len(series) - 1, 0))
    column = length - 1 - (origin[own] - current.steps) if len(series) else own
    inside = (series[own] == current.series) & (column >= 0) & (column < length) if len(series) else own < 0
    values[own[inside], column[inside]] = current.values[inside]
    return values
