"""The plain forecasts that a network mixes: each is linear in what a state holds of the past.

A mixture of linear experts (Ni et al. 2024, after Jacobs et al. 1991). The network's median is

    Σ_k g_k · S_k window + what the network adds,     g_k >= 0, Σ_k g_k = 1

where the shares g are set anew at every step, for each horizon step, from the recurrent state. The S_k begin as the
forecasts below and are learned from there; where they see, beside the window, what is remembered of a long cycle (see
`memory`), only their shares are learned.
"""

import numpy as np

from forecasting.baselines import linear_weights
from forecasting.config import ModelConfig

SMOOTHING = 0.3  # of the exponential smoothing that one expert starts as
MOST_ROUNDS = 12  # of a cycle that are averaged


def experts(config: ModelConfig) -> np.ndarray:
    """(K, H, C + W) float32 weights of what is remembered, C phases of it, and of the window, oldest first each: naive,
    smoothing, and for each cycle its repetitions.

    A cycle is repeated as it was last and as it was in the mean of its rounds; also moved by how much the level has
    changed since: that of the last value and, for a cycle longer than the season, that of a season's mean. A cycle that
    is remembered is repeated as its mean round was, beside the same two levels.
    """
    found = [_repeated(config, 1), _smoothed(config)]
    for cycle in config.cycles:
        found += [_repeated(config, cycle), _moved(config, cycle, steps=1)]
        if cycle > config.level_steps > 1:
            found.append(_moved(config, cycle, config.level_steps))
        if _rounds(config, cycle, config.level_steps) > 1:
            found += [_mean_round(config, cycle), _moved_mean(config, cycle)]
    seen = np.pad(np.stack(found), ((0, 0), (0, 0), (config.memory, 0)))
    levels = dict.fromkeys((1, config.season)) if config.memory else ()
    return np.stack([*seen, *(_recalled(config, steps) for steps in levels)]).astype(np.float32)


def _nothing(config: ModelConfig) -> np.ndarray:
    return np.zeros((config.horizon, config.window))


def _repeated(config: ModelConfig, lag: int) -> np.ndarray:
    """The last `lag` values again and again: naive where it is 1."""
    return linear_weights("seasonal_naive", config.window, config.horizon, lag)


def _smoothed(config: ModelConfig) -> np.ndarray:
    """Simple exponential smoothing."""
    shares = SMOOTHING * (1 - SMOOTHING) ** np.arange(config.window)[::-1]
    return np.broadcast_to(shares / shares.sum(), (config.horizon, config.window))


def _rounds(config: ModelConfig, cycle: int, spare: int = 0) -> int:
    """Rounds of a cycle that lie in the window, leaving `spare` values before them."""
    return max(1, min(MOST_ROUNDS, (config.window - spare) // cycle))


def _mean_round(config: ModelConfig, cycle: int) -> np.ndarray:
    """The mean of the window's rounds."""
    weight, steps, rounds = _nothing(config), np.arange(config.horizon), _rounds(config, cycle)
    for back in range(1, rounds + 1):
        weight[steps, config.window - back * cycle + steps % cycle] += 1 / rounds
    return weight


def _moved(config: ModelConfig, cycle: int, steps: int, rounds: int = 1) -> np.ndarray:
    """The mean of the last rounds, each moved by what the mean of `steps` values has changed since it was there."""
    weight, ahead, end = _nothing(config), np.arange(config.horizon), config.window
    weight[:, end - steps :] += 1 / steps
    for back in range(cycle, rounds * cycle + 1, cycle):
        weight[ahead, end - back + ahead % cycle] += 1 / rounds
        weight[:, end - back - steps : end - back] -= 1 / rounds / steps
    return weight


def _moved_mean(config: ModelConfig, cycle: int) -> np.ndarray:
    """Every round that fits, each moved by what the level has changed since."""
    return _moved(config, cycle, config.level_steps, _rounds(config, cycle, config.level_steps))


def _recalled(config: ModelConfig, steps: int) -> np.ndarray:
    """The mean of the last values, and what a phase lies beside the mean of as many phases."""
    cycle, ahead = config.memory, np.arange(config.horizon)
    weight = np.zeros((config.horizon, cycle + config.window))
    weight[ahead, ahead % cycle] += 1
    weight[:, cycle - steps : cycle] -= 1 / steps
    weight[:, -steps:] += 1 / steps
    return weight
