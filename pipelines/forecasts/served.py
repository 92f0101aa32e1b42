"""The model that a dataset serves, as a pipeline rolls it: the service's answers, without the service."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sqlalchemy import Engine

from data.errors import InvalidInput, NotTrained
from data.store import promotions, snapshot_store
from data.store.catalogue import Dataset
from data.store.promotions import Promotion
from forecasting import quantiles
from forecasting.rolling.bundle import Bundle
from forecasting.rolling.roller import Roller, RollingState
from pipelines.forecasts.rolled import Moment, Rolled
from pipelines.models import model_store
from pipelines.workspace import Workspace

CHUNK = 512  # series answered at once: bounds memory
GROUP = 32 * snapshot_store.SHARD  # series ids in one group


@dataclass(frozen=True)
class Served:
    """A promoted model, with the states of its series at one moment."""

    bundle: Bundle
    moment: Moment
    roller: Roller
    rolled: Rolled

    @classmethod
    def at(cls, engine: Engine, bundle: Bundle, moment: Moment) -> Served:
        """Ready to roll."""
        roller = Roller(bundle)
        return cls(bundle, moment, roller, Rolled(engine, moment, roller))

    def states(self, series: np.ndarray) -> tuple[np.ndarray, RollingState]:
        """Those of `series` (n,), ascending, that have a value to forecast from, and their states."""
        state = self.rolled.states(series)
        known = np.flatnonzero(state.observed > 0)
        return series[known], state.take(known)

    def answers(self, state: RollingState, horizon: int, levels: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
        """(n, horizon, len(levels)) in data units, and (n,) bool: where the fallback stood in for the model.

        It does while a series is warming, and where the model's numbers are not finite.
        """
        out, stood_in = np.empty((len(state), horizon, len(levels))), np.zeros(len(state), bool)
        for start in range(0, len(state), CHUNK):
            rows = np.arange(start, min(start + CHUNK, len(state)))
            values = self.roller.forecast(state, rows, horizon)
            cold = self.roller.warming(state, rows) | ~np.isfinite(values).all((1, 2))
            if cold.any():
                values[cold] = self.roller.fallback(state, rows[cold], horizon)
            out[rows], stood_in[rows] = quantiles.interpolate(values, self.bundle.config.levels, levels), cold
        return out, stood_in


def promoted(workspace: Workspace, dataset: Dataset) -> tuple[Promotion, Bundle]:
    """The promotion that is served now, and its model.

    Raises:
        NotTrained: nothing is served.
        DamagedArtifact: the model is not what was registered.
    """
    promotion = promotions.served(workspace.engine, dataset.id)
    if promotion is None:
        raise NotTrained(dataset.name)
    return promotion, model_store.load(workspace, dataset, promotion.version)


def groups(series: np.ndarray) -> dict[int, np.ndarray]:
    """Surrogate ids (n,), ascending, by the number of the group that each belongs to for ever, ascending."""
    parts = np.split(series, np.flatnonzero(np.diff(series // GROUP)) + 1) if len(series) else []
    return {int(part[0]) // GROUP: part for part in parts}


def check_horizon(asked: int | None, bundle: Bundle) -> int:
    """Steps ahead to forecast. Raises InvalidInput beyond what the model was trained for."""
    most = bundle.config.horizon
    if asked is not None and not 1 <= asked <= most:
        raise InvalidInput(f"the horizon is {asked} and this model forecasts 1 to {most} steps; ask for fewer")
    return asked or most
