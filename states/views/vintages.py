"""Writes vintages to the store: those that closed since the last pass, and those that are open and not stored yet."""

from collections.abc import Sequence

import numpy as np
from sqlalchemy import Engine

from data import clock
from data.history import vintage_table
from data.history.vintage_table import StoredVintage
from data.store import observation_log
from forecasting.rolling.vintages import Vintages
from states.champion import Champion
from states.checkpoints import shards_of


def write_shard(engine: Engine, champion: Champion, shard: int) -> int:
    """Store the vintages of one shard that are not stored yet, and return how many. Used by the writer thread only.

    What the process loses before, it hands out again when it reads the log on from the newest snapshot.
    """
    states = champion.states
    still_open = states.open_vintages(np.flatnonzero(shards_of(states.series) == shard))
    found = [*states.closed.of_shard(shard), still_open.of_rows(states.series)]
    stored = records(engine, champion, found)
    if stored:
        vintage_table.put(engine, champion.dataset_id, champion.anchor_id, stored)
    states.closed.drop(shard)
    states.hand_out(still_open)
    return len(stored)


def write_all(engine: Engine, champion: Champion) -> None:
    """The same of every shard, before the champion is replaced."""
    for shard in np.unique(shards_of(champion.states.series)).tolist():
        write_shard(engine, champion, shard)


def records(engine: Engine, champion: Champion, found: Sequence[Vintages]) -> list[StoredVintage]:
    """Vintages, whose rows are ids of series, as they are stored."""
    if not any(len(part.rows) for part in found):
        return []
    series, origin, quantiles = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
    steps = {step: champion.grid.stamps(step + 1 + np.arange(champion.config.horizon)) for step in set(origin.tolist())}
    ds = champion.grid.stamps(origin)
    moments = _moments(engine, champion, series, origin, ds)
    return [
        StoredVintage(champion.promotion_id, number, stamp, *moment, steps[step], values)
        for number, step, stamp, moment, values in zip(
            series.tolist(), origin.tolist(), ds.tolist(), moments, quantiles, strict=True
        )
    ]


def _moments(
    engine: Engine, champion: Champion, series: np.ndarray, origin: np.ndarray, ds: np.ndarray
) -> list[tuple[int | None, int]]:
    """Row of the log and time with which each vintage was made: those of the first row of its origin, or of the
    promotion where the contexts have it."""
    keys = list(zip(series.tolist(), ds.tolist(), strict=True))
    rows = observation_log.at(engine, champion.dataset_id, keys)
    order = np.argsort(-rows.seq)
    first = {
        (number, stamp): (seq, at)
        for number, stamp, seq, at in zip(
            *(column[order].tolist() for column in (rows.series_id, rows.ds, rows.seq, rows.available_at)), strict=True
        )
    }
    held, now = champion.contexts.inside(series, origin).tolist(), clock.now()
    begun = champion.anchor_seq, champion.decided_at
    found = []
    for key, inside in zip(keys, held, strict=True):
        seq, at = first.get(key, (0, now))
        found.append(begun if inside and seq <= champion.anchor_seq else (seq or None, at))
    return found
