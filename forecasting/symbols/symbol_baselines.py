"""The baselines of symbols: how often each symbol comes, and the last symbol again.

    frequency     P(k) = (n_k + 1) / (n + V)
    last_symbol   P(k | j) = r_j where k is the last symbol j that was written down, else (1 - r_j) f_k / (1 - f_j)
                  with f the frequency and r_j = (times j followed on j + 1) / (times j was followed + 2)

The counts are Laplace's: no symbol is impossible. A missing symbol changes neither.
"""

import numpy as np

from forecasting.panel import Panel
from forecasting.rolling.bundle import Bundle
from forecasting.rolling.conformal import Calibration
from forecasting.symbol_config import TOP, SymbolConfig
from forecasting.symbols.symbol_kernel import draw
from forecasting.symbols.symbol_scores import SymbolLedger

UNCALIBRATED = Calibration(np.zeros((0, 0)), 0.0)  # probabilities are answered as the model gives them
PREFIX = "fallback."  # of the arrays of the baseline in a network's artifact


def codes_of(values: np.ndarray) -> np.ndarray:
    """Values as stored, float64 with NaN where missing -> int32 codes, -1 where missing."""
    return np.where(np.isnan(values), -1, np.nan_to_num(values)).astype(np.int32)


def fit_counts(panel: Panel, symbols: int) -> dict[str, np.ndarray]:
    """`frequency` and `repeats` (V,) float64 of a panel of codes."""
    codes = codes_of(panel.values)
    owner = np.repeat(np.arange(len(panel)), panel.lengths)[codes >= 0]
    written = codes[codes >= 0]
    counts = np.bincount(written, minlength=symbols)
    before, after = written[:-1], written[1:]
    same_series = owner[:-1] == owner[1:]
    followed = np.bincount(before[same_series], minlength=symbols)
    again = np.bincount(before[same_series & (before == after)], minlength=symbols)
    return {"frequency": (counts + 1) / (len(written) + symbols), "repeats": (again + 1) / (followed + 2)}


class SymbolBaseline:
    """The methods of `SymbolKernel` that rolling needs. Its whole state is the probabilities p (B, V)."""

    def __init__(self, kind: str, frequency: np.ndarray, repeats: np.ndarray) -> None:
        """frequency and repeats (V,) as `fit_counts` returns them."""
        self.kind, self._frequency, self._repeats = kind, frequency, repeats
        others = 1 - frequency
        self._leaves = np.where(others > 0, (1 - repeats) / np.where(others > 0, others, 1), 0.0)

    def after(self, last: np.ndarray) -> np.ndarray:
        """(B, V) float64 after the last symbols (B,), -1 where there was none."""
        p = np.repeat(self._frequency[None], len(last), 0)
        known = np.flatnonzero(last >= 0) if self.kind == "last_symbol" else last[:0]
        own = last[known]
        p[known] *= self._leaves[own, None]
        p[known, own] = self._repeats[own] if len(self._frequency) > 1 else 1.0
        return p

    def given(self, last: np.ndarray, code: np.ndarray) -> np.ndarray:
        """(B,) float64 the probability of codes (B,) after the last symbols (B,)."""
        found = self._frequency[code]
        if self.kind == "frequency" or len(self._frequency) == 1:
            return found
        after = np.where(last == code, self._repeats[last], found * self._leaves[last])
        return np.where(last >= 0, after, found)

    def step(self, codes: np.ndarray, p: np.ndarray, hidden: np.ndarray, carry: np.ndarray) -> np.ndarray:
        """Reads codes (B,); p (B, V) goes one step on. There are no gates."""
        seen = np.flatnonzero(codes >= 0)
        p[seen] = self.after(codes[seen])
        return np.zeros((0, 0, len(codes), 0), np.float32)

    def next(self, p: np.ndarray) -> np.ndarray:
        """(B, V) a step after the probabilities p (B, V), exactly."""
        if self.kind == "frequency" or p.shape[1] == 1:
            return np.repeat(self._frequency[None], len(p), 0)
        left = p * self._leaves
        return np.asarray(p * self._repeats + self._frequency * (left.sum(1, keepdims=True) - left))

    def marginals(self, p: np.ndarray, horizon: int) -> np.ndarray:
        """(B, H, V) float64 from the probabilities p (B, V) of the first step, exactly."""
        found = [p.astype(np.float64)]
        while len(found) < horizon:
            found.append(self.next(found[-1]))
        return np.stack(found, 1)

    def arrivals(self, p: np.ndarray, code: int, horizon: int) -> np.ndarray:
        """(B, H) float64 the probability that a code has come up to each step, exactly."""
        came, still = [], p.astype(np.float64)
        for _ in range(horizon):
            came.append(still[:, code].copy())
            still[:, code] = 0
            rest = still.sum(1, keepdims=True)
            still = self.next(still) if self.kind == "last_symbol" else rest * self._frequency
        return np.cumsum(came, 0).T

    def draw_on(
        self, p: np.ndarray, hidden: np.ndarray, carry: np.ndarray, uniforms: np.ndarray, temperature: float = 1.0
    ) -> np.ndarray:
        """(B, T) int32 codes, drawn one after another."""
        drawn = np.zeros(uniforms.shape, np.int32)
        for step in range(uniforms.shape[1]):
            for row in range(len(p)):
                drawn[row, step] = draw(p[row], temperature, uniforms[row, step])
            self.step(drawn[:, step], p, hidden, carry)
        return drawn

    def read_on(
        self, codes: np.ndarray, p: np.ndarray, hidden: np.ndarray, carry: np.ndarray, rival: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Reads codes (B, T); see `SymbolKernel.read_on`."""
        given, every = np.full(codes.shape, np.nan), np.arange(len(codes))
        ledger = SymbolLedger.empty(len(codes), TOP)
        for step, column in enumerate(codes.T):
            ledger.settle(every, column, p, rival[:, step])
            seen = column >= 0
            given[seen, step] = p[every[seen], column[seen]]
            self.step(column, p, hidden, carry)
        return given, ledger.sums


def better_rival(panel: Panel, counts: dict[str, np.ndarray]) -> str:
    """The baseline with the lower log loss on the panel that it was counted on."""
    codes = codes_of(panel.values)
    seen = np.flatnonzero(codes >= 0)
    owner, own = np.repeat(np.arange(len(panel)), panel.lengths)[seen], codes[seen]
    last = np.where(np.append(False, owner[1:] == owner[:-1]), np.append(-1, own[:-1]), -1) if len(own) else own
    losses = {
        kind: -np.log(SymbolBaseline(kind, **counts).given(last, own)).sum() for kind in ("frequency", "last_symbol")
    }
    return min(losses, key=lambda kind: losses[kind])


def baseline_bundle(kind: str, panel: Panel, vocabulary: tuple[str, ...], horizon: int) -> Bundle:
    """A baseline fitted to a panel of codes."""
    counts = fit_counts(panel, len(vocabulary))
    return Bundle(SymbolConfig(kind, vocabulary, horizon, rival=better_rival(panel, counts)), counts, UNCALIBRATED)


def with_fallback(config: SymbolConfig, weights: dict[str, np.ndarray], counts: dict[str, np.ndarray]) -> Bundle:
    """A network's bundle, with the counts of the baselines that stand in for it."""
    return Bundle(config, weights | {PREFIX + name: array for name, array in counts.items()}, UNCALIBRATED)
