"""The version that every numeric dataset can begin with: no training, any frequency, any cycles."""

from collections.abc import Sequence

import numpy as np

from forecasting.config import ModelConfig
from forecasting.rolling.bundle import Bundle
from forecasting.rolling.conformal import Calibration
from forecasting.universal.layout import BY_CYCLE, MOST_CYCLES, PLAIN, Layout

KIND = "universal"
# Steps of the usual cycles by the unit of the frequency, in seconds.
MINUTE, HOUR, DAY, WEEK, YEAR = 60, 3_600, 86_400, 604_800, 31_557_600
UNITS = {"s": 1, "m": MINUTE, "h": HOUR, "d": DAY, "w": WEEK, "mo": YEAR / 12, "q": YEAR / 4, "y": YEAR}
SHORTEST_WINDOW, LONGEST_WINDOW = 64, 2_048  # steps without a value that are rolled
SHORTEST_CONTEXT, LONGEST_CONTEXT = 512, 12_288
CONTEXT_ROUNDS = 5
USUAL = {"naive": 1.0, "level_fast": 1.1, "level": 1.3, "drift": 1.1, "holt_fast": 1.3, "holt_slow": 1.3,
         "theta": 1.2, "autoregression": 1.2, "changes": 1.3, "median": 1.3, "demand": 1.4}  # fmt: skip
USUAL_BY_CYCLE = {"mean": 1.3, "mean_autoregression": 1.1, "mean_level": 1.1, "mean_share": 1.2,
                  "recent": 1.2, "recent_trend": 1.2, "recent_level": 1.1, "recent_share": 1.1}  # fmt: skip


def shipped_bundle(freq: str, horizon: int, season: int, cycles: Sequence[int] = ()) -> Bundle:
    """The shipped version for a dataset: `cycles` are those found on its panel, in steps; the season and the cycles of
    the calendar at `freq` ("5m", "1h", "1d", "1w", "1mo", "1", …) are added, at most three in all."""
    return Bundle(configure(freq, horizon, season, cycles), {"prior": prior(freq, season, cycles)}, neutral(horizon))


def configure(freq: str, horizon: int, season: int, cycles: Sequence[int] = ()) -> ModelConfig:
    """The settings of the shipped version."""
    chosen = choose_cycles(freq, season, cycles)
    longest = max(chosen, default=1)
    window = min(max(2 * longest, SHORTEST_WINDOW), LONGEST_WINDOW)
    context = min(max(CONTEXT_ROUNDS * longest, SHORTEST_CONTEXT), LONGEST_CONTEXT)
    lag = season if season <= Layout(chosen, horizon).ring else 1
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
    digits = freq.rstrip("abcdefghijklmnopqrstuvwxyz")
    unit = UNITS.get(freq[len(digits) :])
    if unit is None:
        return ()
    step = unit * int(digits or 1)
    if step < HOUR * 12:
        periods = [DAY, WEEK]
    elif step < WEEK:
        periods = [WEEK, YEAR]
    else:
        periods = [YEAR]
    steps = [round(period / step) for period in periods]
    return tuple(cycle for cycle in steps if 4 <= cycle <= 20_160)


def prior(freq: str, season: int, cycles: Sequence[int]) -> np.ndarray:
    """(experts,) float64: the usual errors of the experts in relation to the best, before any is known."""
    rounds = len(choose_cycles(freq, season, cycles))
    return np.array([USUAL[name] for name in PLAIN] + [USUAL_BY_CYCLE[name] for name in BY_CYCLE] * rounds)
