"""The version that every numeric dataset can begin with: no training, any frequency, any cycles."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from forecasting.config import ModelConfig
from forecasting.rolling.bundle import Bundle
from forecasting.rolling.conformal import Calibration
from forecasting.universal.layout import BY_CYCLE, MOST_CYCLES, PLAIN, StateLayout

KIND = "universal"
NETWORK = Path(__file__).with_name("network.safetensors")
# Steps of the usual cycles by the unit of the frequency, in seconds.
MINUTE, HOUR, DAY, WEEK, YEAR = 60, 3_600, 86_400, 604_800, 31_557_600
UNITS = {"s": 1, "m": MINUTE, "h": HOUR, "d": DAY, "w": WEEK, "mo": YEAR / 12, "q": YEAR / 4, "y": YEAR}
SHORTEST_WINDOW, LONGEST_WINDOW = 64, 2_048  # steps without a value that are rolled
SHORTEST_CONTEXT, LONGEST_CONTEXT = 512, 12_288
CONTEXT_ROUNDS = 8
FIRST_OF_A_DAY, FIRST_OF_OTHERS, LONG_SEASON = (0.12, 1.3), (0.08, 0.8), 20
# Of the expert that repeats a cycle: its part of the weight far ahead before its errors tell what it is worth, and the
# number of errors after which that has ended; for a day it is half a round.
PART_OF_A_DAY, PART_OF_OTHERS, ENDED, LATEST_END = 0.95, 0.55, 3.3, 200.0
# Of each expert: the usual relation of its error to the best one's, and what it is more after one value, and at a lead
# of as many steps as values were seen. Fitted by `python -m pretraining`.
USUAL = {
    "naive": (1.04, 0.00, 0.00),
    "level_fast": (1.41, 0.52, 0.09),
    "level": (1.24, 0.59, 0.08),
    "drift": (1.06, 0.17, 0.51),
    "holt_fast": (1.56, 0.68, 0.26),
    "holt_slow": (2.39, 0.66, 1.31),
    "theta": (1.68, 0.32, 0.52),
    "autoregression": (1.11, 0.26, 0.06),
    "changes": (1.23, 0.38, 0.43),
    "median": (1.13, 0.64, 0.10),
    "demand": (1.20, 0.47, 0.09),
    "mean": (1.31, 0.21, 0.13),
    "mean_autoregression": (1.26, 0.28, 0.21),
    "mean_level": (1.95, 0.40, 0.96),
    "mean_share": (1.34, 0.24, 0.18),
    "recent": (1.32, 0.21, 0.12),
    "recent_trend": (1.38, 0.41, 0.20),
    "recent_level": (1.76, 0.39, 0.90),
    "recent_share": (1.35, 0.25, 0.18),
}


def shipped_bundle(freq: str, horizon: int, season: int, cycles: Sequence[int] = ()) -> Bundle:
    """The shipped version for a dataset: `cycles` are those found on its panel, in steps; the season and the cycles of
    the calendar at `freq` ("5m", "1h", "1d", "1w", "1mo", "1", …) are added, at most three in all."""
    weights = {"prior": prior(freq, season, cycles), "start": start(freq, season), **shipped_network()}
    return Bundle(configure(freq, horizon, season, cycles), weights, neutral(horizon))


@cache
def shipped_network() -> dict[str, np.ndarray]:
    """The weights of the network, by their names in a bundle; trained by `python -m pretraining.network`."""
    return load_file(NETWORK)


def configure(freq: str, horizon: int, season: int, cycles: Sequence[int] = ()) -> ModelConfig:
    """The settings of the shipped version."""
    chosen = choose_cycles(freq, season, cycles)
    longest = max(chosen, default=1)
    window = min(max(2 * longest, SHORTEST_WINDOW), LONGEST_WINDOW)
    context = min(max(CONTEXT_ROUNDS * longest, SHORTEST_CONTEXT), LONGEST_CONTEXT)
    lag = season if season <= StateLayout(chosen, horizon).ring else 1
    return ModelConfig(
        KIND, window, max(0, context - window), horizon, season, level_steps=1, skip_lag=lag, cycles=chosen
    )


def neutral(horizon: int) -> Calibration:
    """Leaves the quantiles as the engine gives them."""
    return Calibration.neutral(ModelConfig(KIND, 1, 0, horizon, 1, level_steps=1, skip_lag=1))


def choose_cycles(freq: str, season: int, found: Sequence[int]) -> tuple[int, ...]:
    """At most three cycles, ascending: the season, those found on the panel, then those of the calendar."""
    wanted = dict.fromkeys(int(cycle) for cycle in (season, *found, *calendar_cycles(freq)) if cycle > 1)
    return tuple(sorted(list(wanted)[:MOST_CYCLES]))


def calendar_cycles(freq: str) -> tuple[int, ...]:
    """Steps of a day, a week and a year at a frequency, where a round has at least four steps and not too many."""
    step = step_seconds(freq)
    if not step:
        return ()
    if step < HOUR * 12:
        periods = [DAY, WEEK]
    elif step < WEEK:
        periods = [WEEK, YEAR]
    else:
        periods = [YEAR]
    steps = [round(period / step) for period in periods]
    return tuple(cycle for cycle in steps if 4 <= cycle <= 20_160)


def step_seconds(freq: str) -> float:
    """Seconds of a step at a frequency; 0 where it names no time, as "1" does."""
    digits = freq.rstrip("abcdefghijklmnopqrstuvwxyz")
    return UNITS.get(freq[len(digits) :], 0) * int(digits or 1)


def prior(freq: str, season: int, cycles: Sequence[int]) -> np.ndarray:
    """(5, experts) float64: `USUAL` of every expert, in their order, and the first part of the one that repeats the
    shortest cycle, with the number of errors after which it has ended: see `forecasting.universal.mixing`."""
    chosen = choose_cycles(freq, season, cycles)
    names = (*PLAIN, *BY_CYCLE * len(chosen))
    first = np.zeros((2, len(names)))
    if chosen:
        of_a_day = (PART_OF_A_DAY, min(chosen[0] / 2, LATEST_END))
        first[:, names.index("recent")] = of_a_day if is_day(freq, season) else (PART_OF_OTHERS, ENDED)
    return np.concatenate([np.array([USUAL[name] for name in names]).T, first])


def start(freq: str, season: int) -> np.ndarray:
    """(2,) float64: what is expected of a first round, see `forecasting.universal.widths`. Within a day values move
    farther from where they begin than from one day, week or month to the next."""
    return np.array(FIRST_OF_A_DAY if is_day(freq, season) else FIRST_OF_OTHERS)


def is_day(freq: str, season: int) -> bool:
    """Is the season, or the shortest cycle of the calendar, a day? Where the frequency names no time a long season is,
    if a day can have so many steps."""
    step = step_seconds(freq)
    if not step:
        return season >= LONG_SEASON and DAY % season == 0
    return DAY in (step * season, step * min(calendar_cycles(freq), default=0))
