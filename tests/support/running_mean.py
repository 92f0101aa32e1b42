"""A second implementation of the contract of whatever rolls, as small as it can be: it forecasts the mean so far.

Its state has neither a window nor an open forecast, so that code which asks for them by name fails. `python -m
tests.support.running_mean ARGUMENTS` starts uvicorn with it.
"""

import sys
from collections.abc import Mapping

import numpy as np
import pytest

from forecasting import config as settings
from forecasting.config import ModelConfig
from forecasting.kinds import OTHER_KINDS
from forecasting.panel import Panel
from forecasting.rolling.bundle import Bundle
from forecasting.rolling.conformal import Calibration
from forecasting.rolling.online_scores import SUMS, Ledger
from forecasting.rolling.state import RollingState
from forecasting.rolling.vintages import LEVELS, Vintages
from tests.support.service_kit import HORIZON, SEASON

KIND = "running_mean"
CONTEXT = 16
WARM = 2  # observed values from which it answers


class RunningMean:
    """Keeps of each series the sum of its values and the last one."""

    carried = ()

    def __init__(self, bundle: Bundle) -> None:
        self.config, self.fingerprint = bundle.config, bundle.fingerprint
        self._spread = np.array(bundle.config.levels) - 0.5

    def empty(self, rows: int) -> RollingState:
        counters = {name: np.zeros(rows, np.int64) for name in ("origin", "observed", "imputed", "reanchored")}
        return RollingState({**counters, "total": np.zeros(rows), "last": np.zeros(rows)})

    def restore(self, arrays: dict[str, np.ndarray]) -> RollingState:
        return RollingState(arrays)

    def start(
        self, context: np.ndarray, origin: np.ndarray, carried: Mapping[str, np.ndarray] | None = None
    ) -> RollingState:
        state = self.empty(len(context))
        for column in range(context.shape[1]):
            for row in np.flatnonzero(~np.isnan(context[:, column])).tolist():
                self._take(state, row, context[row, column])
        state.origin[:] = origin
        return state

    def fold(
        self,
        state: RollingState,
        rows: np.ndarray,
        steps: np.ndarray,
        values: np.ndarray,
        ledger: Ledger | None = None,
        first_values: np.ndarray | None = None,
        anew: np.ndarray | None = None,
    ) -> None:
        scored = values if first_values is None else first_values
        for i in np.lexsort((steps, rows)).tolist():
            row, step, value = int(rows[i]), int(steps[i]), float(values[i])
            if not state.blank(np.array([row]))[0]:
                state.imputed[row] += step - state.origin[row] - 1
                if ledger is not None:
                    self._settle(ledger, state, row, float(scored[i]))
            state.origin[row] = step
            if np.isnan(value):
                state.imputed[row] += 1
            else:
                self._take(state, row, value)

    @staticmethod
    def _take(state: RollingState, row: int, value: float) -> None:
        state.total[row] += value
        state.last[row] = value
        state.observed[row] += 1

    @staticmethod
    def _settle(ledger: Ledger, state: RollingState, row: int, value: float) -> None:
        if np.isnan(value) or not state.observed[row]:
            return
        error, change = abs(value - state.total[row] / state.observed[row]), abs(value - state.last[row])
        found = {"settled": 1, "absolute": error, "naive": change, "size": abs(value)}
        for name, number in found.items():
            ledger.sums[row, 0, SUMS.index(name)] += number

    def open_vintages(self, state: RollingState, rows: np.ndarray) -> Vintages:
        none = np.zeros(0, np.int64)
        return Vintages(none, none, np.zeros((0, len(LEVELS), HORIZON), np.float32))

    def ledger(self, rows: int) -> Ledger:
        return Ledger.of(self.config, rows)

    def rivals(self, state: RollingState) -> np.ndarray:
        return np.ones(len(state), np.int64)

    def measure(self, state: RollingState, rows: np.ndarray) -> np.ndarray:
        return (state.observed[rows] > 0).astype(np.float64)

    def forecast(self, state: RollingState, rows: np.ndarray, horizon: int | None = None) -> np.ndarray:
        return self._flat(state.total[rows] / np.maximum(state.observed[rows], 1), horizon)

    def fallback(self, state: RollingState, rows: np.ndarray, horizon: int | None = None) -> np.ndarray:
        return self._flat(state.last[rows], horizon)

    def _flat(self, middle: np.ndarray, horizon: int | None) -> np.ndarray:
        return np.repeat((middle[:, None] + self._spread)[:, None], horizon or self.config.horizon, axis=1)

    def warming(self, state: RollingState, rows: np.ndarray) -> np.ndarray:
        return np.asarray(state.observed[rows] < WARM)

    def silence(self, state: RollingState, rows: np.ndarray) -> np.ndarray:
        return np.zeros(len(rows), np.int64)  # it does not know where among its steps the last value was

    def last_values(self, state: RollingState, rows: np.ndarray) -> np.ndarray:
        return np.asarray(state.last[rows, None])

    def gates(self, state: RollingState, row: int, value: float) -> list[dict[str, np.ndarray]]:
        return []

    def inspection(self) -> None:
        """It shows nothing."""

    def warm_up(self) -> None:
        """Nothing is compiled."""


def running_mean(panel: Panel) -> Bundle:
    """Its artifact. It learns nothing from the panel."""
    config = ModelConfig(KIND, CONTEXT, 0, HORIZON, SEASON, level_steps=1, skip_lag=1)
    return Bundle(config, {"none": np.zeros(1, np.float32)}, Calibration.neutral(config))


def register(patch: pytest.MonkeyPatch) -> None:
    """Let artifacts of this kind be read and rolled."""
    patch.setattr(settings, "KINDS", (*settings.KINDS, KIND))
    patch.setitem(OTHER_KINDS, KIND, RunningMean)


if __name__ == "__main__":
    import uvicorn

    register(pytest.MonkeyPatch())
    uvicorn.main(sys.argv[1:])
