"""The effective memory of a network of symbols: for how many steps a symbol goes on moving what is expected.

    n_k = mean |log p - log p'|        p' after the same symbols, but for another one k steps ago; its mean left out

It is the lag k at which n_k first falls below n_0 / e, as for numbers in `forecasting.kernel.effective_memory`. The
mean is over places of some series and over symbols that are put in; a network that looks at the last symbol alone has
less than one step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from forecasting.kernel.effective_memory import where_fallen
from forecasting.symbols.symbol_scores import LEAST

if TYPE_CHECKING:
    from forecasting.symbols.symbol_roller import SymbolRoller

PLACES = 32  # of all series together, drawn from the later half of each, up to which symbols are read
OTHERS = 2  # symbols that are put in at each place and lag
WARM = 32  # symbols that are read before the furthest lag


def symbol_memory(roller: SymbolRoller, codes: np.ndarray) -> float:
    """The effective memory in steps; infinite where it is too long to be seen.

    codes (S, T) int32, -1 where missing: the last symbols of S series, which are read again and again.
    """
    sequences = [own[np.flatnonzero(own >= 0)[0] :] for own in codes if (own >= 0).any()]
    draw = np.random.default_rng(0)
    turned = [
        np.roll(own, place)
        for own in sequences
        for place in draw.integers(0, max(1, len(own) // 2), max(1, PLACES // len(sequences))).tolist()
    ]
    return where_fallen(lambda lags: _norms(roller, turned, lags))


def _norms(roller: SymbolRoller, turned: list[np.ndarray], lags: Sequence[int]) -> list[float]:
    """The norm at each lag, ascending: rows with another symbol there are rolled on beside those without."""
    draw, symbols = np.random.default_rng(0), roller.config.symbols
    base = _copy(roller, np.zeros(len(turned), np.int64))
    rows = np.repeat(np.arange(len(turned)), OTHERS)
    changed = tuple(part[:0] for part in base)
    for lag in range(lags[-1] + WARM, -1, -1):
        read = np.array([own[(-1 - lag) % len(own)] for own in turned], np.int32)
        codes = np.tile(read[rows], len(changed[0]) // len(rows))
        if lag in lags:
            other = (np.maximum(read[rows], 0) + draw.integers(1, max(2, symbols), len(rows))) % symbols
            changed = tuple(np.concatenate([old, part[rows]]) for old, part in zip(changed, base, strict=True))
            codes = np.concatenate([codes, other.astype(np.int32)])
        if len(codes):
            roller.advance(codes, *changed)
        roller.advance(read, *base)
    moved = _logits(changed[0]) - np.tile(_logits(base[0])[rows], (len(lags), 1))
    return np.linalg.norm(moved, axis=1).reshape(len(lags), -1).mean(1)[::-1].tolist()


def _logits(p: np.ndarray) -> np.ndarray:
    """(n, V) float64 logarithms of probabilities, with a mean of 0."""
    logits = np.log(np.maximum(p.astype(np.float64), LEAST))
    return np.asarray(logits - logits.mean(1, keepdims=True))


def _copy(roller: SymbolRoller, rows: np.ndarray) -> tuple[np.ndarray, ...]:
    """Probabilities, hidden and carry of fresh states."""
    state = roller.empty(len(rows))
    return state.probabilities, state.hidden, state.carry
