"""Looks inside a model: what its gates do, which past values its forecast leans on, and how long it remembers."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np

from forecasting.kernel.effective_memory import effective_memory
from forecasting.kernel.kernel import Kernel
from forecasting.kernel.scaling import level_and_scale
from forecasting.rolling.gate_trace import GateTrace, Recorder

if TYPE_CHECKING:
    from forecasting.rolling.roller import NumericState, Roller
    from forecasting.rolling.state import RollingState

PUSH = 0.02  # by which a value of the window is moved to either side, in scales of the window
POSITIONS = 128  # of the window that are moved in one batch
CONTEXTS = 4  # series over which the effective memory is measured


class GateRecording(NamedTuple):
    """A roller that rolls as the model does and takes its last steps down; for one series at a time."""

    roller: Roller
    recorder: Recorder

    def trace(self) -> GateTrace | None:
        """What was rolled; None where nothing was, and for a series without a value."""
        return GateTrace.of(self.roller.config, self.recorder.rolls)


class Inspection:
    """Looks inside one model. Its states do not change."""

    def __init__(self, roller: Roller, core: object) -> None:
        self._roller, self.config = roller, roller.config
        self._kernel = core if isinstance(core, Kernel) and roller.config.recurrent_layers else None

    @property
    def recurrent(self) -> bool:
        """Has the model recurrent layers?"""
        return self._kernel is not None

    def record(self, most: int) -> GateRecording | None:
        """A roller that takes down its last `most` steps; None for a model without recurrent layers."""
        if self._kernel is None:
            return None
        twin, recorder = copy(self._roller), Recorder(self._kernel, most)
        twin.replace_core(recorder)
        return GateRecording(twin, recorder)

    def leans_on(self, state: RollingState) -> np.ndarray | None:
        """(W + H - 1,) the weight of each lag in the median forecast of one series, lag 1 first; the sum is 1.

        A weight is |d median / d value| by central differences, the recurrent state and the cycle memory held. The lag
        counts from the step that is forecast back to the value. The weights of every horizon step sum to 1; these are
        their means over the horizon. None where no value of the window moves the forecast.
        """
        slopes = self._slopes(cast("NumericState", state))
        totals = slopes.sum(1, keepdims=True)
        if not np.isfinite(totals).all() or not totals.all():
            return None
        shares, (horizon, window) = slopes / totals / len(slopes), slopes.shape
        weights = np.zeros(window + horizon - 1)
        for ahead in range(horizon):  # its lag to the newest value is ahead + 1
            weights[ahead : ahead + window] += shares[ahead, ::-1]
        return weights

    def _slopes(self, state: NumericState) -> np.ndarray:
        """(H, W) |d median / d value| for each value of the window of one series, oldest first."""
        window, median = self.config.window, self.config.median
        push = PUSH * float(level_and_scale(state.ring, self.config.level_steps)[1][0, 0])
        found = []
        for first in range(0, window, POSITIONS):
            places = np.arange(first, min(first + POSITIONS, window))
            pushed = state.read(np.zeros(2 * len(places), np.int64))
            rows = np.arange(len(places))
            pushed.ring[rows, places] += push
            pushed.ring[rows + len(places), places] -= push
            answers = self._roller.forecast(pushed, np.arange(2 * len(places)))[..., median]
            found.append(np.abs(answers[: len(places)] - answers[len(places) :]) / (2 * push))
        return np.concatenate(found).T

    def effective_memory(self, contexts: np.ndarray, origin: np.ndarray) -> float | None:
        """Steps, as `forecasting.kernel.effective_memory` has them, over the first of some series; infinite where they
        are too many to measure, None for a model without recurrent layers, and without a series.

        contexts (N, `config.context`) float64, NaN where missing, whose last columns are the steps `origin` (N,). They
        are read once to reach a usual state, then again and again.
        """
        recording = self.record(self.config.context)
        if recording is None or self._kernel is None or not len(contexts):
            return None
        state = recording.roller.start(contexts[:CONTEXTS], origin[:CONTEXTS])
        inputs = [roll.features for roll in recording.recorder.rolls]
        return effective_memory(self._kernel, inputs, state.hidden, state.carry)
