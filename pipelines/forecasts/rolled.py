"""States rebuilt outside the service: from its newest snapshots, or from the contexts that a promotion stored.

A state is the fold of the live log over its context, and a snapshot is such a state after one row of the log. So both
ways give the numbers that the service gives; the first reads the log's end alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from sqlalchemy import Engine

from data.errors import DamagedArtifact
from data.grid.grid import Grid
from data.store import context_store, observation_log, snapshot_store
from data.store.catalogue import Dataset
from data.store.observation_log import Log
from data.store.snapshot_store import LAYOUT, MARKER, OWN, SHARD
from forecasting.kernel.packing import unpack
from forecasting.rolling.roller import Roller, RollingState

HELD = 2_000_000  # rows of the log held in memory for all series; beyond them they are read for some at a time


@dataclass(frozen=True)
class Moment:
    """What a forecast is a function of: a dataset's promotion, and the log up to its row `seq`."""

    dataset: Dataset
    anchor_id: int
    seq: int


@dataclass(frozen=True)
class Later:
    """What the log says after something: one row per series and grid step, its latest value.

    series, step (k,) int64, ascending by series then step; value (k,) float64, NaN = missing.
    """

    series: np.ndarray
    step: np.ndarray
    value: np.ndarray

    @classmethod
    def of(cls, log: Log, grid: Grid) -> Later:
        """Rows of the log in the order of their series and steps; of several for one step the last counts."""
        step = grid.steps(log.ds)
        order = np.lexsort((log.seq, step, log.series_id))
        series, step, value = log.series_id[order], step[order], log.y[order]
        last = np.append((np.diff(series) != 0) | (np.diff(step) != 0), True)[: len(series)]
        return cls(series[last], step[last], value[last])

    def select(self, wanted: np.ndarray) -> Later:
        """The rows where `wanted` (k,) holds."""
        return Later(self.series[wanted], self.step[wanted], self.value[wanted])


class Rolled:
    """The states of a dataset's series at one moment, a group of series at a time."""

    def __init__(self, engine: Engine, moment: Moment, roller: Roller) -> None:
        self._engine, self._moment, self._roller = engine, moment, roller

    def states(self, series: np.ndarray) -> RollingState:
        """The states of `series` (n,), distinct and ascending, as rows (n,).

        A series without a single value has one that observed nothing.

        Raises:
            DamagedArtifact: a context that is needed is not what was promoted.
        """
        state, position = self._roller.empty(len(series)), np.full(len(series), -1)
        for shard in np.unique(series // SHARD).tolist():
            self._restore(shard, series, state, position)
        cold = position < 0
        if not cold.all():
            later = Later.of(self._since(series[~cold], position[~cold]), self._moment.dataset.grid)
            row = np.searchsorted(series, later.series)
            cold[row[later.step <= state.origin[row]]] = True  # corrected or late: told from the beginning
            ahead = ~cold[row]
            self._roller.fold(state, row[ahead], later.step[ahead], later.value[ahead])
        rows = np.flatnonzero(cold)
        if rows.size:
            state.put(rows, self._anchored(series[rows]))
        return state

    # --- from snapshots ---

    @cached_property
    def _kept(self) -> dict[int, tuple[int, int]]:
        """For each shard its newest snapshot of the moment, and the row of the log up to which nothing is missing."""
        kept = snapshot_store.positions(self._engine, self._moment.dataset.id, self._moment.anchor_id)
        complete = max(kept.pop(MARKER, [0]))
        found = {}
        for shard, seqs in kept.items():
            known = [seq for seq in seqs if seq <= self._moment.seq]
            if known:  # the marker says that nothing came after a shard's newest snapshot, and nothing of older ones
                found[shard] = known[-1], max(known[-1], complete) if known[-1] == seqs[-1] else known[-1]
        return found

    def _restore(self, shard: int, series: np.ndarray, state: RollingState, position: np.ndarray) -> None:
        """Lay a shard's snapshot into the rows of `series` that it can be trusted for, and say how far it has read."""
        if shard not in self._kept:
            return
        seq, complete = self._kept[shard]
        arrays = self._unpacked(shard, seq)
        if arrays is None:
            return
        own, stale = arrays["series"], arrays["stale"]
        row = np.minimum(np.searchsorted(series, own), len(series) - 1)
        good = np.flatnonzero((series[row] == own) & ~stale)
        held = RollingState({name: array for name, array in arrays.items() if name not in OWN})
        state.put(row[good], held.take(good))
        position[row[good]] = complete

    def _unpacked(self, shard: int, seq: int) -> dict[str, np.ndarray] | None:
        """A snapshot's arrays; None where it is gone, damaged or of another model: its series are told anew."""
        blob = snapshot_store.read(self._engine, self._moment.dataset.id, self._moment.anchor_id, shard, seq)
        try:
            arrays, words = unpack(blob or b"")
        except DamagedArtifact:
            return None
        wanted = {"fingerprint": self._roller.fingerprint, "layout": LAYOUT, "epoch": str(self._moment.anchor_id)}
        return None if wanted.items() - words.items() else arrays

    def _since(self, series: np.ndarray, position: np.ndarray) -> Log:
        """The log's rows of `series` (n,), ascending, after each one's position."""
        log = self._log(int(position.min()), series) if self._end is None else self._end
        row = np.minimum(np.searchsorted(series, log.series_id), len(series) - 1)
        return log.select((series[row] == log.series_id) & (log.seq > position[row]))

    @cached_property
    def _end(self) -> Log | None:
        """The log of all series after what every snapshot knows; None where that is too much at once."""
        after = min(complete for _, complete in self._kept.values())
        return self._log(after) if self._moment.seq - after <= HELD else None

    # --- from contexts ---

    def _anchored(self, series: np.ndarray) -> RollingState:
        """The states of `series` (n,), ascending, the plain way: contexts, with all that the log says since."""
        later = Later.of(self._log(self._contexts[0], series), self._moment.dataset.grid)
        values, origin = self._context(series)
        known = ~np.isnan(values).all(1)  # one that had no value has no context: the log alone tells its story
        state = self._roller.empty(len(series))
        told = np.isin(later.series, series[known])
        rows = np.flatnonzero(known)
        if rows.size:
            state.put(rows, advance(self._roller, series[known], values[known], origin[known], later.select(told)))
        rest = later.select(~told)
        self._roller.fold(state, np.searchsorted(series, rest.series), rest.step, rest.value)
        return state

    @cached_property
    def _contexts(self) -> tuple[int, dict[int, np.ndarray]]:
        """The row of the log that the contexts know, and the series of each block of them."""
        seq, shards = context_store.shards(self._engine, self._moment.anchor_id)
        return seq, {shard: self._block(shard)["series"] for shard in shards}

    def _context(self, series: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """values (n, C), all NaN where there is none, and origin (n,)."""
        values, origin = np.full((len(series), self._roller.config.context), np.nan), np.zeros(len(series), np.int64)
        for shard, own in self._contexts[1].items():
            mine = np.flatnonzero(np.isin(own, series))
            if mine.size:
                block, row = self._block(shard), np.searchsorted(series, own[mine])
                values[row], origin[row] = block["values"][mine], block["origin"][mine]
        return values, origin

    def _block(self, shard: int) -> dict[str, np.ndarray]:
        arrays, words = unpack(context_store.read(self._engine, self._moment.anchor_id, shard))
        if words.get("fingerprint") != self._roller.fingerprint:
            raise DamagedArtifact(
                f"Context {shard} of anchor {self._moment.anchor_id} is of another model; promote again."
            )
        return arrays

    def _log(self, after: int, series: np.ndarray | None = None) -> Log:
        wanted = None if series is None else series.tolist()
        return observation_log.log(self._engine, self._moment.dataset.id, after, self._moment.seq, wanted)


def advance(roller: Roller, series: np.ndarray, values: np.ndarray, origin: np.ndarray, later: Later) -> RollingState:
    """Start from the context, with what was corrected in it since, then fold everything after it."""
    row = np.searchsorted(series, later.series)
    column = later.step - origin[row] + values.shape[1] - 1
    inside = (later.step <= origin[row]) & (column >= 0)
    values = values.copy()
    values[row[inside], column[inside]] = later.value[inside]
    state = roller.start(values, origin)
    after = later.step > origin[row]
    roller.fold(state, row[after], later.step[after], later.value[after])
    return state
