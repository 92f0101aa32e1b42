"""Small models of symbols with random weights, for tests that need no training."""

import numpy as np

from forecasting.config import CELL_ARRAYS
from forecasting.panel import Panel
from forecasting.rolling.bundle import Bundle
from forecasting.symbol_config import LECTURE, SYMBOL_BASELINES, SymbolConfig
from forecasting.symbols.symbol_baselines import baseline_bundle, fit_counts, with_fallback

LETTERS = ("a", "b", "c", "d")
GATES = {"rnn": 1, "gru": 3, "lstm": 4, "peephole": 4, "coupled": 3}


def symbol_series(length: int, missing: float = 0.2, seed: int = 0) -> np.ndarray:
    """(length,) random codes of `LETTERS`, some missing; the first and the last are not."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, len(LETTERS), length).astype(np.float64)
    codes[1:-1][rng.random(length - 2) < missing] = np.nan
    return codes


def random_weights(config: SymbolConfig, seed: int) -> dict[str, np.ndarray]:
    """Weights of one member, named as torch names them."""
    rng, width, inputs = np.random.default_rng(seed), config.hidden_size, config.inputs
    shapes: dict[str, tuple[int, ...]] = {"head.weight": (config.symbols, width), "head.bias": (config.symbols,)}
    if config.embedding:
        shapes["embedding.weight"] = (config.symbols, config.embedding)
    if config.kind == LECTURE:
        shapes |= {"read.weight": (width, inputs + config.symbols), "read.bias": (width,)}
    for layer in range(config.num_layers if config.kind in CELL_ARRAYS else 0):
        rows = GATES[config.kind] * width
        shapes[f"cells.weight_ih_l{layer}"] = (rows, width if layer else inputs)
        shapes[f"cells.weight_hh_l{layer}"] = (rows, width)
        shapes |= {f"cells.bias_{part}_l{layer}": (rows,) for part in ("ih", "hh")}
        if config.kind == "peephole":
            shapes[f"cells.peephole_l{layer}"] = (3 * width,)
    return {name: rng.normal(scale=0.7, size=shape).astype(np.float32) for name, shape in shapes.items()}


def symbol_model(kind: str, layers: int = 1, embedding: int = 0, members: int = 1, width: int = 6) -> Bundle:
    """A model of `LETTERS`; its baselines are counted on `symbol_series(200)`."""
    panel = Panel.of([symbol_series(200)])
    if kind in SYMBOL_BASELINES:
        return baseline_bundle(kind, panel, LETTERS, 3)
    sizes = {"hidden_size": width, "num_layers": layers, "embedding": embedding, "members": members}
    config = SymbolConfig(kind, LETTERS, 3, **sizes, rival="last_symbol")
    own = [random_weights(config, seed) for seed in range(members)]
    weights = own[0] if members == 1 else {name: np.stack([w[name] for w in own]) for name in own[0]}
    return with_fallback(config, weights, fit_counts(panel, len(LETTERS)))
