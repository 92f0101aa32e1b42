"""The network: it moves the middle of the mix and stretches the distances between its quantiles, lead by lead.

Two layers read the line of each lead (`network_inputs`), the second one also the mean of all leads' first layers. The
last one gives the move of the middle in units of the usual error, and the logs of the factors on the distances between
neighbouring quantiles, which so stay in order. All zeros leave the mix as it is. Its torch twin is
`forecasting.tuning.tuned_network`.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np

from forecasting.kernel.compiled import exact
from forecasting.universal.network_inputs import SLOTS

PREFIX: Final = "network."  # of their names in a bundle
NAMES: Final = ("input", "input_bias", "pool", "pool_bias", "own", "pooled", "own_bias", "output", "output_bias")
Network = tuple[np.ndarray, ...]  # the arrays of `NAMES`
NONE: Final = tuple(np.empty((0, 0)) if rank == 2 else np.empty(0) for rank in (2, 1, 2, 1, 2, 2, 1, 2, 1))
FARTHEST_MOVE: Final = 3.0
STRONGEST: Final = 1.5  # log of the strongest factor
QUIET: Final = 0.3  # scale of a phase
SCALE_PLACE: Final = 2 * SLOTS + 7  # in a line of inputs
FIRST_VALUES, ALL_VALUES = 24.0, 56.0  # values seen from which on the network is heard, and heard in full


def network_of(weights: Mapping[str, np.ndarray]) -> Network:
    """The network that a bundle's weights hold; `NONE` without one, as versions of before it have."""
    if f"{PREFIX}{NAMES[0]}" not in weights:
        return NONE
    return tuple(weights[f"{PREFIX}{name}"] for name in NAMES)


@exact
def corrections(
    inputs: np.ndarray,
    seen: float,
    network: Network,
    found: np.ndarray,
) -> None:
    """Write the move and the logs of the factors to found (K, L).

    inputs (K, INPUTS); `network` the arrays of `NAMES`, whose matrices are (inputs, outputs).
    """
    first, first_bias, pool, pool_bias, own, pooled, own_bias, output, output_bias = network
    found[:] = 0.0
    heard = min(max((seen - FIRST_VALUES) / (ALL_VALUES - FIRST_VALUES), 0.0), 1.0)
    if heard == 0:
        return
    leads, width = len(inputs), len(first_bias)
    hidden = np.empty((leads, width))
    mean = np.zeros(width)
    for k in range(leads):
        _layer(inputs[k], first, first_bias, hidden[k])
        mean += hidden[k]
    mean /= leads
    context = np.empty(width)
    _layer(mean, pool, pool_bias, context)
    shared = np.empty(width)
    _add(context, pooled, own_bias, shared)
    second = np.empty(width)
    for k in range(leads):
        _layer(hidden[k], own, shared, second)
        _add(second, output, output_bias, found[k])
        for q in range(found.shape[1]):
            most = FARTHEST_MOVE if q == 0 else STRONGEST
            found[k, q] = heard * of_quiet(inputs[k, SCALE_PLACE]) * min(max(found[k, q], -most), most)


@exact
def of_quiet(log_scale: float) -> float:
    """A factor on the corrections of a phase that is quiet, as a night without sales: they mean nothing there, and the
    steps of other phases between two leads must not have a part of them."""
    return min(np.exp(log_scale) / QUIET, 1.0)


@exact
def _layer(values: np.ndarray, weights: np.ndarray, bias: np.ndarray, found: np.ndarray) -> None:
    _add(values, weights, bias, found)
    for j in range(len(found)):
        found[j] = max(found[j], 0.0)


@exact
def _add(values: np.ndarray, weights: np.ndarray, bias: np.ndarray, found: np.ndarray) -> None:
    for j in range(len(found)):
        found[j] = np.float64(bias[j])
    for i in range(len(values)):
        value = values[i]
        if value != 0:
            for j in range(len(found)):
                found[j] += value * np.float64(weights[i, j])
