"""`python -m forecasting.precompile` compiles every loop of the rolling states beforehand, for an image.

The machine code is for the processor of this machine; on another one the loops are compiled at their first call.
"""

from collections.abc import Callable
from typing import Any, Final, cast

import numpy as np
from numba.core import sigutils

from forecasting.kernel import cells, cycle_memory, scaling
from forecasting.rolling import conformal, online_scores, roller
from forecasting.rolling.bundle import Bundle
from forecasting.symbol_config import SymbolConfig
from forecasting.symbols.symbol_baselines import with_fallback
from forecasting.symbols.symbol_roller import SymbolRoller
from forecasting.universal import advance, learning, quantile_forecast

# The types with which the loops are called; `::1` is an array without gaps.
STEP = "(float32[:,:,::1], float32[:,:,::1], float32[:,:,::1], float32[:,:,::1], int64, int64)"
SCORE = (
    "(float64[:,:,::1], float64[:,::1], float64, int64[::1], float64[::1], float32[:,:,::1], float32[:,::1],"
    " {rows}[::1], int32[::1], int64[::1], int64[::1], float64[::1], int64, int64[:,::1])"
)
# Arrays of the states of the engine of experts: see `forecasting.universal.engine`.
COUNTED = "int64[::1], int64[::1], int64[::1], int64[::1], int32[::1]"
LEARNED = "float64[:,::1], float32[:,:,::1], uint8[:,::1]"
MET = "float32[:,:,:,::1], uint8[:,:,::1], float32[:,::1], float32[:,::1]"
SHAPES = "int64[:,::1], int64[:,::1]"
ENGINE = (
    f"{COUNTED}, float64[:,::1], {LEARNED}, float32[:,:,::1], {MET}, {SHAPES}, float64[:,::1], float64[:,::1],"
    " float64[::1], float64[::1], int64, int64"
)
QUANTILES = (
    f"(int64[::1], int64[::1], int64[::1], {LEARNED}, {MET}, {SHAPES}, float64[:,::1], float64[::1], float32[:,::1],"
    " int64[::1], float64[:,:,::1])"
)
SIGNATURES: Final[tuple[tuple[Callable[..., object], str], ...]] = (
    (cells.silu, "(float32[:,:,::1], float32[:,:,::1])"),
    (cells.lstm_step, STEP),
    (cells.gru_step, STEP),
    (cells.rnn_step, STEP),
    (
        scaling.scaled,
        "(float32[:,::1], int64[::1], float64[:,::1], boolean[::1], float64[::1], int64, int64[::1], float32[:,::1],"
        " float64[:,::1], float64[:,::1])",
    ),
    (
        cycle_memory.update_cycle_memory,
        "(float32[:,::1], uint8[:,::1], float64[:,::1], float64[:,::1], boolean[::1], int64[::1], int64[::1])",
    ),
    (
        cycle_memory.build_cycle_memory,
        "(float32[:,::1], uint8[:,::1], float64[:,::1], float64[:,::1], boolean[:,::1], int64[::1])",
    ),
    (
        conformal.settle,
        "(float64[::1], float32[:,:,::1], float32[:,:,::1], int32[::1], float32[:,::1], int64[::1], float64)",
    ),
    (online_scores.score, SCORE.format(rows="int32")),
    (online_scores.score, SCORE.format(rows="int64")),
    (learning.shift, "(float64[::1], float64)"),
    (advance.advance, f"(float64[:,::1], {ENGINE})"),
    (advance.advance_from_row_to_row, f"(float64[::1], int64[::1], {ENGINE})"),
    (advance.expect_of_rows, f"({LEARNED}, int64[::1], {SHAPES}, float64[:,:,::1])"),
    (quantile_forecast.forecast_quantiles, QUANTILES),
    (roller.hold, "(float64[::1], float64[:,::1], int32[::1], int64[::1])"),
)


def main() -> None:
    """Compile each function for its types; the machine code is saved in the first place that can be written."""
    for function, types in SIGNATURES:
        arguments, _ = sigutils.normalize_signature(types)  # type: ignore[no-untyped-call]
        cast(Any, function).compile(arguments)
    SymbolRoller(smallest_network()).warm_up()  # the same loops for every cell


def smallest_network() -> Bundle:
    """A network of two symbols and one unit, which knows nothing."""
    config = SymbolConfig("rnn", ("a", "b"), 1, hidden_size=1, num_layers=1)
    shapes = {"cells.weight_ih_l0": (1, 2), "cells.weight_hh_l0": (1, 1), "head.weight": (2, 1), "head.bias": (2,)}
    shapes |= {f"cells.bias_{part}_l0": (1,) for part in ("ih", "hh")}
    weights = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    return with_fallback(config, weights, {"frequency": np.full(2, 0.5), "repeats": np.full(2, 0.5)})


if __name__ == "__main__":
    main()
