"""Draws from a model of symbols: roll-outs that are averaged, and whole continuations.

Both work on copies of a state, and their random numbers come from a seed that the caller gives: equal seeds give equal
answers, so that reading twice gives the same.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from forecasting.symbols.symbol_baselines import SymbolBaseline
from forecasting.symbols.symbol_kernel import SymbolKernel

Core = SymbolKernel | SymbolBaseline


class Fork(NamedTuple):
    """A copy of what one series' probabilities are a function of, for B paths."""

    p: np.ndarray  # (B, V)
    hidden: np.ndarray  # (B, M N, D)
    carry: np.ndarray

    def paths(self, count: int) -> "Fork":
        """`count` copies of the only path."""
        return Fork(*(np.repeat(array, count, 0) for array in self))


def uniforms(seed: int, paths: int, steps: int) -> np.ndarray:
    """(paths, steps) numbers in [0, 1) by a seed of any size."""
    return np.random.Generator(np.random.PCG64(seed)).random((paths, steps))


def roll_out(core: Core, fork: Fork, horizon: int, paths: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(H, V) float64 each: the probabilities of every step, and those that a symbol has come up to a step.

    The first step is exact; a later one is the mean over `paths` of the probabilities that the model gave there.
    """
    if isinstance(core, SymbolBaseline):
        symbols = fork.p.shape[1]
        arrived = [core.arrivals(fork.p, code, horizon)[0] for code in range(symbols)]
        return core.marginals(fork.p, horizon)[0], np.stack(arrived, 1)
    if horizon == 1:
        exact = fork.p[0].astype(np.float64)[None]
        return exact, exact.copy()
    return core.roll_out(*fork.paths(paths), uniforms(seed, paths, horizon))


def continuations(
    core: Core, fork: Fork, samples: int, steps: int, temperature: float, seed: int, prime: Sequence[int] = ()
) -> np.ndarray:
    """(samples, steps) int32 codes that follow the state, after reading the codes `prime`.

    At temperature 1 a symbol is drawn by exactly the probabilities that an answer prints; below 1 likelier symbols are
    preferred, above 1 rarer ones come more often.
    """
    fork = Fork(*(array.copy() for array in fork))
    for code in prime:
        core.step(np.array([code], np.int32), *fork)
    return core.draw_on(*fork.paths(samples), uniforms(seed, samples, steps), temperature)
