"""Measures what a model costs to serve: the size of its artifact, and the time of one step and one forecast."""

from __future__ import annotations

import time

import numpy as np

from forecasting.kinds import model_of
from forecasting.rolling.bundle import Bundle, to_bytes
from forecasting.symbol_config import is_symbols
from pipelines.models.promotion_gate import ServingCost

ROUNDS = 20  # the cost is the time of the fastest third; slower rounds waited for other processes


def measure_serving_cost(bundle: Bundle) -> ServingCost:
    """Bytes of the artifact, and milliseconds to fold one value into the state of one series and forecast again."""
    roller, only = model_of(bundle), np.array([0])
    values = example_values(bundle, bundle.config.context + ROUNDS + 1)
    context = values[None, : bundle.config.context]
    state = roller.start(context, only)
    took = []
    for round_ in range(1, ROUNDS + 1):
        began = time.perf_counter()
        roller.fold(state, only, np.array([round_]), values[bundle.config.context + round_, None])
        roller.forecast(state, only)
        took.append(time.perf_counter() - began)
    return ServingCost(len(to_bytes(bundle)), round(1000 * sorted(took)[ROUNDS // 3], 3))


def example_values(bundle: Bundle, count: int) -> np.ndarray:
    """(count,) values that move: codes in turn for a model of symbols, a sine for one of numbers."""
    steps = np.arange(count, dtype=np.float64)
    return steps % bundle.config.symbols if is_symbols(bundle.config) else np.sin(steps)
