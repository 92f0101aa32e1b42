"""What a state holds, small enough to read: counters and a remembered round as they are, the network's memory as norms
and mean gates."""

from typing import Any

import numpy as np

from data.grid.stamps import format_ds
from forecasting.kernel.recurrent import Gates
from forecasting.symbol_config import is_symbols
from service.forecast import answers
from service.forecast.answers import Reading
from service.forecast.fallback import ONLY
from service.models.scrape_facts import OPENED
from states.views.symbol_forecasts import symbol_model


def state(reading: Reading) -> dict[str, Any]:
    """One series' state. The gates are those of the step to come, should its value be the median forecast's."""
    if is_symbols(reading.champion.config):
        return symbol_state(reading)
    target, champion, row = reading
    config, kept = champion.config, row.state
    age = int(kept.age[0])
    issued = champion.grid.label_stamps(kept.origin - age, target.label)
    expected = champion.roller.forecast(kept, ONLY, 1)[0, 0, config.median]
    gates = champion.roller.gates(kept, 0, float(expected)) if np.isfinite(expected) else []
    return {
        "dataset": target.served.name,
        "unique_id": target.unique_id,
        "model": champion.model,
        **answers.summary_of(target, champion, row),
        "last": float(kept.ring[0, -1]),
        "gap": int(kept.gap[0]),
        "expected": float(expected) if np.isfinite(expected) else None,
        "vintage": {"origin": format_ds(int(issued[0]), champion.grid.kind), "settled": age} if age >= 0 else None,
        "widening": np.exp(kept.widening[0]).tolist(),
        "round": np.roll(kept.mean[0], -1 - int(kept.origin[0])).tolist(),
        "layers": [_layer(kept, i, gates[i] if i < len(gates) else {}) for i in range(kept.hidden.shape[1])],
        "bytes": sum(array.nbytes for array in kept.arrays.values()),
    }


def symbol_state(reading: Reading) -> dict[str, Any]:
    """The same of a series of symbols, whose next symbol is expected with the probabilities of the state."""
    target, champion, row = reading
    vocabulary, kept = symbol_model(champion.roller).config.vocabulary, row.state
    expected = int(np.argmax(kept.probabilities[0]))
    gates = champion.roller.gates(kept, 0, float(expected))
    last = int(kept.last[0])
    return {
        "dataset": target.served.name,
        "unique_id": target.unique_id,
        "model": champion.model,
        **answers.summary_of(target, champion, row),
        "last": None if last < 0 else vocabulary[last],
        "gap": int(kept.gap[0]),
        "expected": vocabulary[expected],
        "vintage": None,
        "widening": [],
        "round": [],
        "layers": [_layer(kept, i, gates[i] if i < len(gates) else {}) for i in range(kept.hidden.shape[1])],
        "bytes": sum(array.nbytes for array in kept.arrays.values()),
    }


def _layer(kept: Any, layer: int, gates: Gates) -> dict[str, Any]:
    carry = float(np.linalg.norm(kept.carry[0, layer])) if kept.carry.shape[1] else None
    return {
        "hidden_norm": float(np.linalg.norm(kept.hidden[0, layer])),
        "carry_norm": carry,
        "gates": {name: float(gates[name].mean()) for name in OPENED if name in gates},
    }
