"""How networks of symbols are trained, and their sizes, chosen from the data, with the reason for each in one line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from forecasting.panel import Panel
from forecasting.recurrent_options import USUAL, RecurrentOptions
from forecasting.symbol_config import LECTURE, SymbolConfig

GATED = ("lstm", "gru")
MANY_SYMBOLS = 30  # of a vocabulary: text rather than states
WIDEST_ONE_HOT = 256  # a larger vocabulary gets an embedding
SOME = 20_000  # symbols from which a wide network pays


@dataclass(frozen=True)
class SymbolDefaults:
    """How networks of symbols are trained."""

    chunk: int = 64  # symbols that a lane reads in one training step
    lanes: int = 32  # series, or places of series, that one training step reads side by side
    rate: float = 5e-3  # the highest learning rate of a wide network
    rate_narrow: float = 2e-2  # the same up to `narrow` units; half of it without gates
    narrow: int = 128
    decay: float = 0.0  # AdamW's weight decay
    passes: int = 40  # over the data: more only overfit
    least_steps: int = 1_500  # which small data are allowed whatever the passes

    def shape_of(self, past: Panel, truncate: int = 0) -> tuple[int, int]:
        """Symbols of a chunk, `truncate` where it is given, and lanes: fewer for few symbols, so that a step reads the
        data once at most."""
        known = len(past.values)
        chunk = truncate or int(np.clip(np.median(past.lengths) // 2, 16, self.chunk))
        return chunk, int(np.clip(known // (4 * chunk), 4, self.lanes))

    def rate_for(self, config: SymbolConfig) -> float:
        """The highest learning rate for a network of this cell and width."""
        if config.hidden_size > self.narrow:
            return self.rate
        return self.rate_narrow / (1 if config.kind in GATED else 2)

    def most_steps(self, past: Panel, truncate: int = 0) -> int:
        """Training steps that a training in minutes takes at most."""
        chunk, lanes = self.shape_of(past, truncate)
        return max(self.least_steps, self.passes * len(past.values) // (chunk * lanes))


@dataclass(frozen=True)
class SymbolChoice:
    """Settings, and the reasons for them in one sentence each."""

    config: SymbolConfig
    reasons: tuple[str, ...]


def choose_symbol_config(
    kind: str,
    vocabulary: tuple[str, ...],
    horizon: int,
    past: Panel,
    sizes: dict[str, Any],
    options: RecurrentOptions = USUAL,
) -> SymbolChoice:
    """The settings for a network of a kind from the training part; `sizes` overrides them by name."""
    symbols, known = len(vocabulary), past.known
    width = _width(symbols, known)
    embedding = 0 if symbols <= WIDEST_ONE_HOT else 128
    layers = 1
    own = {"hidden_size": width, "num_layers": layers, "embedding": embedding, "dropout": 0.0} | sizes
    if kind == LECTURE:
        own["num_layers"] = 1
    options.check_symbols(kind, own["num_layers"])
    config = SymbolConfig(kind, vocabulary, horizon, **own, options=options)
    usual = "" if "hidden_size" in sizes else f": the usual size for {known:,} symbols of a vocabulary of {symbols:,}"
    size = f"{kind}, {config.num_layers} × {config.hidden_size}{usual}"
    read = f"{config.embedding} numbers for each symbol" if config.embedding else "each symbol as a one-hot vector"
    asked = [f"{name.replace('_', ' ')} {value}" for name, value in options.to_dict().items()]
    return SymbolChoice(config, (size, f"reads {read}", *([f"{', '.join(asked)}: as asked for"] if asked else [])))


def _width(symbols: int, known: int) -> int:
    if symbols >= MANY_SYMBOLS:
        return 256 if known >= SOME else 64
    return 64 if known >= SOME else 32
