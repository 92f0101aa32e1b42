"""Scores of models of symbols over the last steps of their series, by the code that serves: the kernel, symbol by
symbol, with the state carried on from the context before them.
"""

from dataclasses import dataclass

import numpy as np

from forecasting.evaluation.validation import MANY_SERIES, MOST_SERIES
from forecasting.panel import Panel, evenly
from forecasting.rolling.bundle import Bundle
from forecasting.rolling.online_scores import Totals
from forecasting.symbol_config import SYMBOL_BASELINES
from forecasting.symbols.symbol_baselines import baseline_bundle, codes_of
from forecasting.symbols.symbol_roller import SymbolRoller
from forecasting.symbols.symbol_scores import LEAST, summarize_symbols

MOST_SCORED = 400_000  # symbols that are scored at most
BLOCKS = 100  # units of a comparison where there are few series: stretches of successive symbols
SHORTEST_BLOCK = 20  # symbols


@dataclass(frozen=True)
class SymbolScores:
    """Scores of one model: `given` (n, T) float64, the probability that each of the last T symbols of n series had
    before it came, NaN where none came, and `totals` as of a ledger."""

    given: np.ndarray
    totals: Totals

    @property
    def losses(self) -> np.ndarray:
        """(n, T) log losses, NaN where no symbol came."""
        return -np.log(np.maximum(self.given, LEAST))

    @property
    def log_loss(self) -> float:
        """Mean log loss in nats; NaN without a symbol."""
        known = self.losses[~np.isnan(self.given)]
        return float(known.mean()) if known.size else float("nan")

    def summary(self) -> dict[str, float | int | None]:
        """Measures as plain numbers."""
        return {name: value for name, value in summarize_symbols(self.totals).items() if name != "calibration"}

    def units(self) -> list[float]:
        """Mean log losses in units that can be paired between models scored on the same symbols: of each series or, of
        few series, of stretches of successive symbols."""
        losses = self.losses
        if len(losses) >= MANY_SERIES:
            return _means(list(losses))
        steps = [row[~np.isnan(row)] for row in losses]
        length = max(SHORTEST_BLOCK, sum(map(len, steps)) // BLOCKS)
        return _means([row[i : i + length] for row in steps for i in range(0, len(row), length)])


def _means(parts: list[np.ndarray]) -> list[float]:
    return [float(np.nanmean(part)) for part in parts if part.size and not np.isnan(part).all()]


def scored_series(panel: Panel, tail: np.ndarray, most: int = MOST_SCORED) -> np.ndarray:
    """The rows that are scored: evenly spread, so many that `most` symbols come."""
    longest = int(np.minimum(tail, panel.lengths).max(initial=1))
    return evenly(len(panel), max(1, min(MOST_SERIES, most // max(1, longest))))


def score_tail(bundle: Bundle, panel: Panel, tail: np.ndarray) -> SymbolScores:
    """Scores a model on the last tail (n,) steps of each series of a panel of codes."""
    roller = SymbolRoller(bundle)
    tail = np.minimum(tail, panel.lengths)
    stops = panel.lengths - tail
    state = roller.start(panel.window(stops, roller.config.context), panel.first + stops - 1)
    longest = int(tail.max(initial=0))
    position = stops[:, None] + np.arange(longest)
    inside = position < panel.lengths[:, None]
    values = np.where(
        inside, panel.values[np.minimum(position + panel.offsets[:-1, None], len(panel.values) - 1)], np.nan
    )
    given, sums = roller.read_on(state, codes_of(values))
    return SymbolScores(given, Totals.of(sums, np.ones(len(panel))))


def validate_symbols(bundles: dict[str, Bundle], panel: Panel, tail: np.ndarray) -> dict[str, SymbolScores]:
    """Scores models that were fitted before the tail, by name, and both baselines fitted to the values before it."""
    past = panel.head(panel.lengths - tail)
    rows = scored_series(panel, tail)
    own, last = panel.select(rows), tail[rows]
    config = next(iter(bundles.values())).config if bundles else None
    found = {name: score_tail(bundle, own, last) for name, bundle in bundles.items()}
    if config is not None:
        for kind in SYMBOL_BASELINES:
            if kind not in found:
                found[kind] = score_tail(baseline_bundle(kind, past, config.vocabulary, config.horizon), own, last)
    return found
