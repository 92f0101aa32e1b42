"""ETTh1 as in the literature, by the shipped version: every window of the test rows, in units of the train rows."""

from pathlib import Path

import numpy as np
import polars as pl

from data.schema import SPLIT
from forecasting import quantiles
from forecasting.evaluation import backtest
from forecasting.kinds import model_of
from forecasting.panel import Panel
from forecasting.universal.shipped import shipped_bundle

COLUMNS = ("HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "y")
HORIZON, DAY, WEEK = 96, 24, 168


def mse_of_windows(file: Path) -> float:
    """Mean squared error of the forecast's mean 1 … 96 steps ahead, over windows, steps and columns."""
    frame = pl.read_parquet(file).sort("ds")
    split = frame[SPLIT]
    used = frame.filter(split != "unused").select(COLUMNS).to_numpy().T.astype(np.float64)
    train = frame.filter(split == "train").select(COLUMNS).to_numpy().T
    known = int((split.is_in(["train", "val"])).sum())
    unit = train.std(axis=1, keepdims=True)
    panel = Panel.of([np.ascontiguousarray(row) for row in used], COLUMNS)
    roller = model_of(shipped_bundle("1h", HORIZON, DAY, [WEEK]))
    rows = np.arange(len(COLUMNS))
    stop = np.full(len(COLUMNS), known)
    state = backtest.start(roller, panel, stop)
    errors = []
    for at in range(known, used.shape[1] - HORIZON + 1):
        if at > known:
            backtest.advance(roller, state, panel, stop + (at - 1 - known), stop + (at - known))
        point = quantiles.mean(roller.forecast(state, rows), roller.config.levels)
        errors.append((((point - used[:, at : at + HORIZON]) / unit) ** 2).mean())
    return float(np.mean(errors))
