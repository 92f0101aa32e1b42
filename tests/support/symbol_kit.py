"""A dataset of symbols for tests of the service: states of a machine `s00` to `s31`, and models of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from forecasting.panel import Panel
from forecasting.rolling.bundle import Bundle
from forecasting.symbol_config import SymbolConfig
from forecasting.symbols.symbol_baselines import baseline_bundle, fit_counts, with_fallback
from tests.support.service_kit import HORIZON, panel_of, rows

VOCABULARY = tuple(f"s{code:02d}" for code in range(32))
DISHES = ("pizza", "sushi", "waffles")
GATES = {"rnn": 1, "gru": 3, "lstm": 4}


def code_panel(*ids: str, length: int = 200) -> Panel:
    """The waves of `panel_of`, rounded down to codes of `VOCABULARY`."""
    panel = panel_of(*ids, length=length)
    return Panel.of([np.floor(panel.series(i)) for i in range(len(ids))], ids, panel.first)


def dinners(*ids: str, length: int = 60) -> Panel:
    """Codes of `DISHES` in their cycle; every fourth day is not written down."""
    days = np.arange(length)
    codes = np.where(days % 4 == 3, np.nan, days % 3)
    panel = panel_of(*ids, length=length)
    return Panel.of([codes] * len(ids), ids, panel.first)


def symbol_network(panel: Panel, kind: str = "lstm", seed: int = 0, vocabulary: Sequence[str] = VOCABULARY) -> Bundle:
    """A small network with random weights: its probabilities mean nothing, its state is real."""
    size, width, draw = len(vocabulary), 6, np.random.default_rng(seed)
    config = SymbolConfig(kind, tuple(vocabulary), HORIZON, hidden_size=width, num_layers=2, embedding=3)
    rows = GATES[kind] * width
    shapes = {"embedding.weight": (size, 3), "head.weight": (size, width), "head.bias": (size,)}
    for layer in range(2):
        shapes |= {
            f"cells.weight_ih_l{layer}": (rows, width if layer else 3),
            f"cells.weight_hh_l{layer}": (rows, width),
        }
        shapes |= {f"cells.{name}_l{layer}": (rows,) for name in ("bias_ih", "bias_hh")}
    weights = {name: draw.normal(0, 0.6, shape).astype(np.float32) for name, shape in shapes.items()}
    return with_fallback(config, weights, fit_counts(panel, size))


def cycling(panel: Panel) -> Bundle:
    """A network that expects each dish after the one before it, and reads its own expectation where none was written
    down. Its weights can be read: one unit for each dish."""
    config = SymbolConfig("rnn", DISHES, HORIZON, hidden_size=3, num_layers=1)
    weights = {
        "cells.weight_ih_l0": 3 * np.eye(3),
        "cells.weight_hh_l0": np.zeros((3, 3)),
        "cells.bias_ih_l0": np.zeros(3),
        "cells.bias_hh_l0": np.zeros(3),
        "head.weight": 6 * np.roll(np.eye(3), 1, axis=0),
        "head.bias": np.zeros(3),
    }
    return with_fallback(config, {name: w.astype(np.float32) for name, w in weights.items()}, fit_counts(panel, 3))


def symbol_baseline(panel: Panel, kind: str = "last_symbol", vocabulary: Sequence[str] = VOCABULARY) -> Bundle:
    return baseline_bundle(kind, panel, tuple(vocabulary), HORIZON)


def symbol_rows(
    unique_id: str, symbols: Sequence[str | float | None], first: int = 0, vocabulary: Sequence[str] = VOCABULARY
) -> list[dict[str, Any]]:
    """Consecutive observations: symbols, or their codes."""
    words = [vocabulary[int(one)] if isinstance(one, (int, float)) else one for one in symbols]
    return [{**row, "y": word} for row, word in zip(rows(unique_id, [None] * len(words), first), words, strict=True)]
