"""Takes down what the recurrent layers do while states are rolled, and sums it up step by step.

Nothing is rolled in another way for it: a `Recorder` stands between a roller and its kernel.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from forecasting.config import CELL_ARRAYS, ModelConfig
from forecasting.kernel.cells import GATES
from forecasting.kernel.kernel import Kernel
from forecasting.kernel.recurrent import Gates
from forecasting.symbol_config import SymbolConfig

CANDIDATE = "new"  # no gate: what may enter the memory, between -1 and 1
RANGE = (0.1, 0.9)  # quantiles over the units


@dataclass(frozen=True)
class Roll:
    """One step of the recurrent layers of B series."""

    step: np.ndarray  # (B,) of the grid; while a context is read that of its last value
    value: np.ndarray  # (B,) data units; a missing value is the one before it
    seen: np.ndarray  # (B,) bool: was there a value?
    gap: np.ndarray  # (B,) steps since the last one
    features: np.ndarray  # (B, C + F)
    before: tuple[np.ndarray, np.ndarray]  # hidden and carry (B, M N, D)
    gates: list[Gates]  # of each layer, (M, B, D)


class Recorder:
    """A kernel that keeps its last rolls."""

    def __init__(self, kernel: Kernel, most: int) -> None:
        self._kernel = kernel
        self.rolls: deque[Roll] = deque(maxlen=most)

    def features(
        self, window: np.ndarray, observed: np.ndarray, gap: np.ndarray, mean: np.ndarray, step: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        self._read = np.array(step), np.array(window[:, -1]), np.array(observed), np.array(gap)
        return self._kernel.features(window, observed, gap, mean, step)

    def roll(self, features: np.ndarray, hidden: np.ndarray, carry: np.ndarray) -> list[Gates]:
        before = hidden.copy(), carry.copy()
        gates = self._kernel.roll(features, hidden, carry)
        copies = [{name: gate.copy() for name, gate in layer.items()} for layer in gates]
        self.rolls.append(Roll(*self._read, features, before, copies))
        return gates

    def forecast(self, features: np.ndarray, hidden: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self._kernel.forecast(features, hidden)


@dataclass(frozen=True)
class CellStep:
    """One unit of the last layer in the last step, the one whose hidden value moved most. Numbers are plain floats."""

    member: int
    unit: int
    gates: dict[str, float]  # the candidate too
    carry: tuple[float, float] | None  # before and after; None where the cell has none
    hidden: tuple[float, float]


@dataclass(frozen=True)
class GateTrace:
    """The last T steps of one series."""

    steps: np.ndarray  # (T,) of the grid
    values: np.ndarray  # (T,) data units, NaN where missing
    layers: list[
        dict[str, np.ndarray]
    ]  # of each layer by gate, (3, T): mean, 10 % and 90 % over the units of all members
    units: int  # of a layer, all members together
    cell: CellStep

    @classmethod
    def of(cls, config: ModelConfig | SymbolConfig, recorded: Iterable[Roll]) -> "GateTrace | None":
        """What was recorded of a single series; None where nothing was rolled since its first value."""
        rolls = list(recorded)
        while rolls and not rolls[0].seen[0] and rolls[0].gap[0] > config.window:
            rolls.pop(0)
        if not rolls:
            return None
        steps = [int(roll.step[0]) for roll in rolls]
        for place in range(len(steps) - 2, -1, -1):
            steps[place] = min(steps[place], steps[place + 1] - 1)  # the steps of a context
        values = [float(roll.value[0]) if roll.seen[0] else np.nan for roll in rolls]
        names = [name for name in GATES[config.kind] if name != CANDIDATE]
        layers = [
            {name: _summed_up([roll.gates[layer][name] for roll in rolls]) for name in names}
            for layer in range(config.num_layers)
        ]
        units = config.members * config.hidden_size
        return cls(np.array(steps), np.array(values), layers, units, _busiest(config, rolls[-1]))


def _summed_up(gates: list[np.ndarray]) -> np.ndarray:
    """T gates (M, 1, D) -> (3, T): mean, 10 % and 90 % over all units."""
    units = np.stack(gates).reshape(len(gates), -1).astype(np.float64)
    return np.stack([units.mean(1), *np.quantile(units, RANGE, 1)])


def _busiest(config: ModelConfig | SymbolConfig, roll: Roll) -> CellStep:
    """The unit of the last layer whose hidden value moved most."""
    layer = config.num_layers - 1
    opened, (hidden, carry) = roll.gates[layer], roll.before
    earlier = hidden[0, layer :: config.num_layers]  # (M, D)
    later = opened["hidden"][:, 0]
    member, unit = divmod(int(np.abs(later - earlier).argmax()), config.hidden_size)
    gates = {name: float(opened[name][member, 0, unit]) for name in GATES[config.kind]}
    kept = None
    if CELL_ARRAYS[config.kind] > 1:
        row = member * config.num_layers + layer
        kept = float(carry[0, row, unit]), float(opened["carry"][member, 0, unit])
    return CellStep(member, unit, gates, kept, (float(earlier[member, unit]), float(later[member, unit])))
