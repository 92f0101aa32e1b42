"""What is said of the next symbols of a series: the same numbers for every reader of a state.

The first step's probabilities are those of the state, exactly. Those of later steps are averaged over roll-outs, whose
seed derives from the model, the series and the position of the log that its state knows: an answer is a function of
these, and asking twice gives it twice.
"""

import hashlib
from collections.abc import Sequence
from typing import cast

import numpy as np

from forecasting.rolling.state import RollingState
from forecasting.symbols.symbol_roller import SymbolRoller, SymbolState
from states.model import RollingModel

BUDGET = 20_000_000_000  # products (path × step × weight) of one answer: some seconds of one core
LONGEST, TOGETHER = 10_000, 100_000  # steps of one series, and of all series of one answer
FEWEST = 16  # paths; with less an answer says too little


class TooFar(Exception):
    """One answer may not take so many steps; `most` are allowed."""

    def __init__(self, most: int, weights: int, series: int) -> None:
        self.most = max(1, most)
        super().__init__(
            f"an answer has at most {LONGEST:,} steps, those of many series {TOGETHER:,} together, and {FEWEST} paths "
            f"× steps × {weights:,} weights × {series:,} series may be {BUDGET:,} at most"
        )


def symbol_model(model: RollingModel) -> SymbolRoller:
    """The model of a dataset of symbols, with what such a model says beyond the contract."""
    return cast(SymbolRoller, model)


def seed_of(fingerprint: str, unique_id: str, sequence: int) -> int:
    """The seed of a series' roll-outs, below 2**63."""
    digest = hashlib.sha256(f"{fingerprint}/{unique_id}/{sequence}".encode()).digest()
    return int.from_bytes(digest[:8]) >> 1


def paths_for(model: SymbolRoller, horizon: int, series: int = 1, times: int = 1) -> int:
    """How many roll-outs an answer averages; 0 where one step ahead needs none. times: how often they are made.

    Raises TooFar.
    """
    each = max(1, model.weights) * series * times
    most = min(LONGEST, TOGETHER // series, BUDGET // (FEWEST * each))
    if horizon > max(1, most):
        raise TooFar(most, model.weights, series)
    return 0 if horizon <= 1 else int(min(model.config.paths, BUDGET // (each * horizon)))


def probabilities(
    model: SymbolRoller, state: RollingState, rows: np.ndarray, horizon: int, paths: int, seeds: Sequence[int]
) -> np.ndarray:
    """(k, horizon, V) probabilities of the symbols after each row's origin."""
    if horizon == 1:
        return np.asarray(model.forecast(cast(SymbolState, state), rows, 1))
    return np.asarray(model.marginals(cast(SymbolState, state), rows, horizon, paths, seeds))


def arrivals(
    model: SymbolRoller, state: RollingState, rows: np.ndarray, horizon: int, paths: int, seeds: Sequence[int]
) -> np.ndarray:
    """(k, horizon, V) the probability that each symbol has come up to a step, from the same roll-outs."""
    return np.asarray(model.arrivals(cast(SymbolState, state), rows, horizon, max(1, paths), seeds))


def likeliest(p: np.ndarray, top: int) -> list[int]:
    """The codes of the `top` largest of p (V,), the largest first and of equal ones the first."""
    return [int(code) for code in np.argsort(-p, kind="stable")[:top]]
