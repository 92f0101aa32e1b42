"""Small models and series that the forecasting tests share."""

from dataclasses import replace

import numpy as np
import torch

from forecasting import baselines
from forecasting.config import BASELINES, ModelConfig
from forecasting.evaluation.backtest import baseline
from forecasting.networks.networks import Network
from forecasting.panel import Panel
from forecasting.rolling.bundle import Bundle
from forecasting.rolling.conformal import Calibration
from forecasting.rolling.roller import NumericState, Roller


def wave(series: int, length: int = 100, noise: float = 0.3) -> list[np.ndarray]:
    """Sines of period 4 around 10, each with its own noise."""
    rng = np.random.default_rng(series)
    return [10 + np.sin(np.arange(length) * np.pi / 2) + noise * rng.standard_normal(length) for _ in range(series)]


def tiny_bundle(kind: str, panel: Panel, horizon: int = 5) -> Bundle:
    """A model with random weights, window 24 and warm-up 8; a baseline fitted to the panel."""
    if kind in BASELINES:
        return baseline(kind, panel, 4, horizon)
    config = ModelConfig(kind, 24, 8, horizon, 4, 4, 4, (4,), hidden_size=16, num_layers=2)
    torch.manual_seed(0)
    weights = Network(config).export() | baselines.fallback(config, panel)
    return Bundle(config, weights, Calibration.neutral(config), {"steps": 1})


def drifting(bundle: Bundle) -> Bundle:
    """The same LSTM with a top memory that grows by a hundredth at every step, and a median that follows it."""
    weights = {name: value.copy() for name, value in bundle.weights.items()}
    width = bundle.config.hidden_size
    gates = {"input": 9.0, "forget": 20.0, "new": 0.01, "output": 9.0}  # in torch's order; the three are open
    for name in ("cells.weight_ih_l1", "cells.weight_hh_l1", "cells.bias_hh_l1"):
        weights[name][:] = 0
    weights["cells.bias_ih_l1"][:] = np.repeat(np.array(list(gates.values()), np.float32), width)
    weights["head.mix.weight"][:, :width] = 1.0
    weights["head.median.weight"][:] = 0.1
    return replace(bundle, weights=weights)


def roller_of(kind: str, series: list[np.ndarray]) -> tuple[Roller, NumericState]:
    """A tiny model, and states that know every value of the series."""
    panel = Panel.of(series)
    roller = Roller(tiny_bundle(kind, panel))
    return roller, roller.start(panel.tail_matrix(roller.config.context), panel.last)
