"""Measures what a model costs to serve: the size of its artifact, and the time of one step and one forecast."""

from __future__ import annotations

import time

import numpy as np

from forecasting.kinds import model_of
from forecasting.rolling.bundle import Bundle, to_bytes
from pipelines.models.promotion_gate import ServingCost

ROUNDS = 20  # the cost is the time of the fastest third; slower rounds waited for other processes


def measure_serving_cost(bundle: Bundle) -> ServingCost:
    """Bytes of the artifact, and milliseconds to fold one value into the state of one series and forecast again."""
    roller, only = model_of(bundle), np.array([0])
    context = np.sin(np.arange(bundle.config.context, dtype=np.float64))[None]
    state = roller.start(context, only)
    took = []
    for round_ in range(1, ROUNDS + 1):
        began = time.perf_counter()
        roller.fold(state, only, np.array([round_]), np.array([np.sin(round_)]))
        roller.forecast(state, only)
        took.append(time.perf_counter() - began)
    return ServingCost(len(to_bytes(bundle)), round(1000 * sorted(took)[ROUNDS // 3], 3))
