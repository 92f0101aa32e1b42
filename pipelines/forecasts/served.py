"""The model that a dataset serves, rolled by a pipeline: the service's answers, without the service."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from sqlalchemy import Engine

from data.errors import NotTrained
from data.store import observation_log, promotions, snapshot_store
from data.store.catalogue import Dataset
from data.store.observation_log import Log
from data.store.promotions import Promotion
from forecasting.config import ModelConfig
from forecasting.rolling.state import RollingState
from pipelines.forecasts.answers import answer
from pipelines.workspace import Workspace
from states import build_champion, folding
from states.build_champion import Anchored

GROUP = 32 * snapshot_store.SHARD  # series ids in one group
HELD = 2_000_000  # rows of the log held in memory for all series; beyond them they are read for some at a time


@dataclass(frozen=True)
class ServedModel:
    """A promoted model, and the log up to its row `seq`: together they decide every forecast."""

    engine: Engine
    anchored: Anchored
    seq: int

    @classmethod
    def at(cls, engine: Engine, dataset: Dataset, promotion: Promotion, seq: int | None = None) -> ServedModel:
        """The model as of row `seq` of the log; of the newest row unless given.

        Raises:
            DamagedArtifact: the model or its contexts are not what was promoted.
        """
        anchored = build_champion.load(engine, dataset, promotion)
        return cls(engine, anchored, observation_log.last_seq(engine, dataset.id) if seq is None else seq)

    @property
    def config(self) -> ModelConfig:
        return self.anchored.roller.config

    @property
    def dataset(self) -> Dataset:
        return self.anchored.dataset

    def states(self, series: np.ndarray) -> tuple[np.ndarray, RollingState]:
        """Those of `series` (n,), ascending, that have a value to forecast from, and their states."""
        known, state, _ = self.states_and_sequences(series)
        return known, state

    def states_and_sequences(self, series: np.ndarray) -> tuple[np.ndarray, RollingState, np.ndarray]:
        """The same, and the position of the log that each state knows."""
        champion, _ = build_champion.restore(self.engine, self.anchored, self._read_log, series, self.seq)
        folding.rebuild_deferred(self.engine, champion)
        series = series[np.isin(series, champion.states.series)]
        state, sequence = champion.states.copy(champion.states.rows_of(series))
        known = np.flatnonzero(state.observed > 0)
        if len(known) == len(series):
            return series, state, sequence
        return series[known], state.take(known), sequence[known]

    def answers(self, state: RollingState, horizon: int, levels: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
        """(n, horizon, len(levels)) in data units, and (n,) bool: where the fallback answered for the model.

        It does while a series is warming, and where the model's numbers are not finite.
        """
        return answer(self.anchored.roller, state, horizon, levels)

    def warming(self, state: RollingState) -> np.ndarray:
        """(n,) bool: has a series too few values for the model? Its fallback answers."""
        return self.anchored.roller.warming(state, np.arange(len(state)))

    def silent(self, state: RollingState) -> np.ndarray:
        """(n,) bool: has a series had no value for longer than the window, counted to the dataset's newest step?"""
        silence = self.anchored.roller.silence(state, np.arange(len(state)))
        return np.asarray(self._newest_step - state.origin + silence > self.config.window)

    @cached_property
    def _newest_step(self) -> int:
        """The newest step of any series, in its context or in the log."""
        logged = observation_log.newest_ds(self.engine, self.dataset.id, self.seq)
        newest = self.anchored.contexts.newest
        return newest if logged is None else max(newest, int(self.dataset.grid.steps(np.array([logged]))[0]))

    def _read_log(self, after: int, series: np.ndarray | None) -> Log:
        """Rows of some series beyond row `after`; out of memory where the log's end is short enough."""
        if self._end is None or after < self._read_from:
            wanted = None if series is None else series.tolist()
            return observation_log.log(self.engine, self.dataset.id, after, self.seq, wanted)
        mine = self._end.seq > after
        return self._end.select(mine if series is None else mine & np.isin(self._end.series_id, series))

    @cached_property
    def _read_from(self) -> int:
        """The position of the log that the newest snapshots know."""
        kept = snapshot_store.positions(self.engine, self.dataset.id, self.anchored.anchor.anchor_id)
        return kept.get(snapshot_store.MARKER, [self.anchored.anchor.log_seq])[-1]

    @cached_property
    def _end(self) -> Log | None:
        """The log of all series after that position; None where it is too long to be held."""
        if self.seq - self._read_from > HELD:
            return None
        return observation_log.log(self.engine, self.dataset.id, self._read_from, self.seq)


def promoted(workspace: Workspace, dataset: Dataset) -> Promotion:
    """The promotion that is served now. Raises NotTrained where nothing is served."""
    promotion = promotions.served(workspace.engine, dataset.id)
    if promotion is None:
        raise NotTrained(dataset.name)
    return promotion


def groups(series: np.ndarray) -> dict[int, np.ndarray]:
    """Surrogate ids (n,), ascending, by the number of the group that each belongs to for ever, ascending."""
    parts = np.split(series, np.flatnonzero(np.diff(series // GROUP)) + 1) if len(series) else []
    return {int(part[0]) // GROUP: part for part in parts}
