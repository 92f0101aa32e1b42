"""For how many steps a symbol goes on moving what a network expects."""

from dataclasses import replace

import numpy as np
import pytest

from forecasting.symbols.symbol_roller import SymbolRoller
from tests.support.symbol_networks import symbol_model, symbol_series


def contexts(series: int = 2) -> np.ndarray:
    return np.stack([symbol_series(512, seed=seed) for seed in range(series)])


def measured(bundle, given: np.ndarray) -> float | None:
    return SymbolRoller(bundle).inspection().effective_memory(given, np.zeros(len(given), np.int64))


@pytest.mark.parametrize("kind", ["rnn", "gru", "lstm", "peephole", "coupled"])
def test_every_cell_has_an_effective_memory_and_others_have_none(kind: str) -> None:
    found = measured(symbol_model(kind), contexts())
    assert found is not None and 0 < found < 512
    assert found == measured(symbol_model(kind), contexts())  # the same each time
    assert measured(symbol_model("frequency"), contexts()) is None
    assert measured(symbol_model("lecture"), contexts()) is None
    assert measured(symbol_model(kind), np.full((2, 512), np.nan)) is None


def test_a_network_without_a_way_back_looks_at_the_last_symbol_alone() -> None:
    bundle = symbol_model("rnn")
    cut = {name: w * 0 if "weight_hh" in name else w for name, w in bundle.weights.items()}
    found = measured(replace(bundle, weights=cut), contexts())
    assert found is not None and found < 1


@pytest.mark.parametrize(("bias", "least", "most"), [(0.0, 0.8, 3.0), (3.0, 10.0, 40.0)])
def test_an_open_forget_gate_remembers_for_longer(bias: float, least: float, most: float) -> None:
    bundle = symbol_model("lstm")
    weights = {name: w.copy() for name, w in bundle.weights.items()}
    weights["cells.weight_hh_l0"][:] = 0
    for gate in (0, 6, 18):  # input, forget and output gate, by their bias alone
        weights["cells.weight_ih_l0"][gate : gate + 6] = 0
    weights["cells.weight_ih_l0"][12:18] *= 0.05  # little enters, so that tanh does not saturate
    for side in ("ih", "hh"):
        weights[f"cells.bias_{side}_l0"][12:18] = 0
    weights["cells.bias_ih_l0"][6:12], weights["cells.bias_hh_l0"][6:12] = bias, 0
    found = measured(replace(bundle, weights=weights), contexts())
    assert found is not None and least < found < most  # -1 / log f: 1.4 for half open gates, 20.6 for a bias of 3
