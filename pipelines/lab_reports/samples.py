"""Reads the bundled stocks, and nothing else."""

from __future__ import annotations

import csv
from functools import cache
from importlib import resources

import numpy as np

STOCKS = resources.files("data") / "samples" / "stocks.csv"


@cache
def _closes() -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    with STOCKS.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["Ticker"], []).append(float(row["Adj Close"]))
    return found


def tickers() -> list[str]:
    """The stocks that are bundled."""
    return sorted(_closes())


def stock(ticker: str) -> np.ndarray:
    """(n,) adjusted closes of one stock, oldest first."""
    return np.array(_closes()[ticker])
