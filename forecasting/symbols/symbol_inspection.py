"""Looks inside a model of symbols: what its gates did, step by step."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from forecasting.config import CELL_ARRAYS
from forecasting.kernel.cells import GATES
from forecasting.kernel.recurrent import Gates
from forecasting.rolling.gate_trace import GateTrace, Roll
from forecasting.rolling.inspection import CONTEXTS
from forecasting.symbol_config import SymbolConfig
from forecasting.symbols.symbol_baselines import codes_of
from forecasting.symbols.symbol_memory import symbol_memory

if TYPE_CHECKING:
    from forecasting.symbols.symbol_roller import SymbolRoller, SymbolState


def named_gates(config: SymbolConfig, gates: np.ndarray, state: SymbolState) -> list[Gates]:
    """Gates (N, M, B, G) of a step by their names, (M, B, D) each, with the state after it, for every layer."""
    width, layers = config.hidden_size, []
    for layer in range(config.num_layers if config.kind in CELL_ARRAYS else 0):
        names = GATES[config.kind]
        named = {name: gates[layer, ..., i * width : (i + 1) * width] for i, name in enumerate(names)}
        for name in ("carry", "hidden") if CELL_ARRAYS[config.kind] > 1 else ("hidden",):
            named[name] = state.arrays[name][:, layer :: config.num_layers].transpose(1, 0, 2)
        layers.append(named)
    return layers


class SymbolRecorder:
    """Keeps the last steps of a roller, for one series at a time."""

    def __init__(self, config: SymbolConfig, most: int) -> None:
        self.config = config
        self.rolls: deque[Roll] = deque(maxlen=most)
        self.probabilities: deque[np.ndarray] = deque(maxlen=most)  # (V,) of the symbol after each step

    def take_down(
        self, state: SymbolState, values: np.ndarray, before: tuple[np.ndarray, np.ndarray], gates: np.ndarray
    ) -> None:
        """A step that led to `state` (1 row); values (1,), NaN where missing; before: hidden and carry."""
        layers = [{name: gate.copy() for name, gate in layer.items()} for layer in self._named(gates, state)]
        step, gap, seen = state.origin.copy(), state.gap.copy(), ~np.isnan(values)
        self.rolls.append(Roll(step, values.copy(), seen, gap, np.zeros((1, 0), np.float32), before, layers))
        self.probabilities.append(state.probabilities[0].copy())

    def _named(self, gates: np.ndarray, state: SymbolState) -> list[Gates]:
        return named_gates(self.config, gates, state)


class SymbolRecording(NamedTuple):
    """A roller that rolls as the model does and takes its last steps down."""

    roller: SymbolRoller
    recorder: SymbolRecorder

    def trace(self) -> GateTrace | None:
        """What was rolled; None where nothing was, and for a series without a symbol."""
        return GateTrace.of(self.roller.config, self.recorder.rolls)

    def probabilities(self) -> np.ndarray:
        """(T, V) float32 of the symbol after each of the steps that were rolled, oldest first."""
        return np.array(self.recorder.probabilities)


class SymbolInspection:
    """Looks inside one model. Its states do not change."""

    def __init__(self, roller: SymbolRoller) -> None:
        self._roller, self.config = roller, roller.config

    @property
    def recurrent(self) -> bool:
        """Has the model recurrent layers?"""
        return self.config.recurrent_layers > 0

    def record(self, most: int) -> SymbolRecording | None:
        """A roller that takes down its last `most` steps; None for a model without recurrent layers."""
        if not self.recurrent:
            return None
        recorder = SymbolRecorder(self.config, most)
        return SymbolRecording(self._roller.recorded_by(recorder), recorder)

    def leans_on(self, state: SymbolState) -> None:
        """A model of symbols reads no window of values."""

    def effective_memory(self, contexts: np.ndarray, origin: np.ndarray) -> float | None:
        """Steps, as `symbol_memory` has them, over the first of some series; infinite where they are too many to
        measure, None for a model without recurrent layers, and without two symbols.

        contexts (N, `config.context`) float64 codes, NaN where missing; origin is not needed.
        """
        codes = codes_of(contexts[:CONTEXTS])
        if not self.recurrent or not (codes >= 0).any():
            return None
        return symbol_memory(self._roller, codes)
