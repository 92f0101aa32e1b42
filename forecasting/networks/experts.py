"""The linear forecasts that a network mixes, as weights of the window and of the cycle memory.

A mixture of linear experts (Ni et al. 2024, after Jacobs et al. 1991). The network's median is

    Σ_k g_k · S_k window + the network's own term,     g_k >= 0, Σ_k g_k = 1

where the shares g are computed at every step, for each horizon step, from the recurrent state. The S_k start as the
forecasts below and are trained; in a network with a cycle memory (see `cycle_memory`) only their shares are trained.
"""

import numpy as np

from forecasting.baselines import linear_weights
from forecasting.config import ModelConfig

SMOOTHING = 0.3  # smoothing factor of the expert that starts as exponential smoothing
MOST_ROUNDS = 12  # most rounds of a cycle that are averaged


def experts(config: ModelConfig) -> np.ndarray:
    """(K, H, C + W) float32 weights of the C phase means and of the window, oldest first each: naive, exponential
    smoothing, and for each cycle its repetitions.

    A cycle is repeated as its last round and as the mean of its rounds. It is also repeated shifted by the change of
    the level since then: the level of the last value and, for a cycle longer than the season, that of the last season's
    mean. The cycle of the cycle memory is also repeated as its mean round, relative to the same two levels.
    """
    found = [_repeated(config, 1), _smoothed(config)]
    for cycle in config.cycles:
        found += [_repeated(config, cycle), _level_shifted(config, cycle, steps=1)]
        if cycle > config.level_steps > 1:
            found.append(_level_shifted(config, cycle, config.level_steps))
        if _rounds(config, cycle, config.level_steps) > 1:
            found += [_mean_round(config, cycle), _level_shifted_mean(config, cycle)]
    seen = np.pad(np.stack(found), ((0, 0), (0, 0), (config.memory, 0)))
    levels = dict.fromkeys((1, config.season)) if config.memory else ()
    return np.stack([*seen, *(_remembered_round(config, steps) for steps in levels)]).astype(np.float32)


def _zeros(config: ModelConfig) -> np.ndarray:
    return np.zeros((config.horizon, config.window))


def _repeated(config: ModelConfig, lag: int) -> np.ndarray:
    """Repeats the last `lag` values: naive with lag 1."""
    return linear_weights("seasonal_naive", config.window, config.horizon, lag)


def _smoothed(config: ModelConfig) -> np.ndarray:
    """Simple exponential smoothing."""
    shares = SMOOTHING * (1 - SMOOTHING) ** np.arange(config.window)[::-1]
    return np.broadcast_to(shares / shares.sum(), (config.horizon, config.window))


def _rounds(config: ModelConfig, cycle: int, spare: int = 0) -> int:
    """Number of rounds of a cycle in the window, with `spare` values before them."""
    return max(1, min(MOST_ROUNDS, (config.window - spare) // cycle))


def _mean_round(config: ModelConfig, cycle: int) -> np.ndarray:
    """The mean of the window's rounds."""
    weight, steps, rounds = _zeros(config), np.arange(config.horizon), _rounds(config, cycle)
    for back in range(1, rounds + 1):
        weight[steps, config.window - back * cycle + steps % cycle] += 1 / rounds
    return weight


def _level_shifted(config: ModelConfig, cycle: int, steps: int, rounds: int = 1) -> np.ndarray:
    """The mean of the last rounds, each shifted by the change of the level since then; the level is the mean of `steps`
    values."""
    weight, ahead, end = _zeros(config), np.arange(config.horizon), config.window
    weight[:, end - steps :] += 1 / steps
    for back in range(cycle, rounds * cycle + 1, cycle):
        weight[ahead, end - back + ahead % cycle] += 1 / rounds
        weight[:, end - back - steps : end - back] -= 1 / rounds / steps
    return weight


def _level_shifted_mean(config: ModelConfig, cycle: int) -> np.ndarray:
    """The mean of all rounds that fit, each shifted by the change of the level since then."""
    return _level_shifted(config, cycle, config.level_steps, _rounds(config, cycle, config.level_steps))


def _remembered_round(config: ModelConfig, steps: int) -> np.ndarray:
    """The mean of the last `steps` values, plus the phase mean relative to the mean of the last `steps` phases."""
    cycle, ahead = config.memory, np.arange(config.horizon)
    weight = np.zeros((config.horizon, cycle + config.window))
    weight[ahead, ahead % cycle] += 1
    weight[:, cycle - steps : cycle] -= 1 / steps
    weight[:, -steps:] += 1 / steps
    return weight
