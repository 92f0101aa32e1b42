"""The long roll: checks whether a state that was rolled for very long forecasts as well as a fresh one.

In training a network reads a few chunks of a series before its hidden state is reset. In service the state is never
reset. So a bundle that was fitted without the validation tail forecasts twice from the same origins of that tail:

- *rolled*: the hidden state has read at least the steps of ten training chunks before the first origin, and is then
  advanced from origin to origin;
- *fresh*: the state is started at each origin from the context before it.

The check fails where the error of *rolled* is higher by more than `MARGIN` and the excess is significant in a paired
one-sided test at 5 %. The margin tolerates a negligible loss; the test excludes chance.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from forecasting.accuracy import seasonal_error
from forecasting.config import ModelConfig
from forecasting.evaluation.backtest import Origins, actuals, advance, answer, rolling_origins, start
from forecasting.evaluation.permutation_test import SIGNIFICANCE, can_be_significant, sign_flip_test
from forecasting.evaluation.validation import MANY_SERIES, TAIL_SERIES, fewer
from forecasting.panel import Panel
from forecasting.rolling.bundle import Bundle
from forecasting.rolling.roller import NumericState, Roller

CHUNKS = 10  # training chunks that the rolled state has read before the first origin
MARGIN = 0.01  # tolerated relative excess of the error
UNTESTED_MARGIN = 0.1  # the same where there are too few units for a test; the check then fails only if all exceed it
ROLLED_STEPS = 200_000  # most steps of all series before their first origins: a few seconds
FORECASTS = 1_000  # forecasts of each state, at 4 to 64 origins a series


@dataclass(frozen=True)
class Measure:
    """Mean error of both states, in units of the MASE divisor. `rolled` is None if it is not finite."""

    rolled: float | None
    fresh: float | None
    ratio: float | None  # rolled / fresh; None where undefined
    p_value: float  # of the excess over fresh and the margin
    worse: bool

    @classmethod
    def of(cls, rolled: np.ndarray, fresh: np.ndarray) -> "Measure":
        """From paired errors rolled, fresh (units,)."""
        means = float(rolled.mean()), float(fresh.mean())
        if not np.isfinite(means).all():
            return cls(_finite(means[0]), _finite(means[1]), None, 0.0, worse=True)
        excess = rolled - (1 + (MARGIN if can_be_significant(len(rolled)) else UNTESTED_MARGIN)) * fresh
        p_value = sign_flip_test(excess)
        worse = excess.mean() > 0 and p_value <= max(SIGNIFICANCE, 0.5 ** len(excess))
        return cls(*means, means[0] / means[1] if means[1] > 0 else None, p_value, bool(worse))


@dataclass(frozen=True)
class LongRoll:
    """The result of the check. `note` says why it was not run, if it was not."""

    steps: int = 0  # least number of steps that a rolled state had read at its first origin
    series: int = 0
    origins: int = 0  # of each series
    mase: Measure | None = None  # of the medians
    pinball: Measure | None = None  # twice the pinball loss over all levels, which includes the intervals
    note: str = ""

    @property
    def passed(self) -> bool:
        return not any(measure.worse for measure in (self.mase, self.pinball) if measure)

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        measures = {name: vars(m) if (m := getattr(self, name)) else None for name in ("mase", "pinball")}
        return {**vars(self), **measures, "passed": self.passed}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "LongRoll":
        """The result that `to_dict` wrote."""
        measures = {name: Measure(**values[name]) if values[name] else None for name in ("mase", "pinball")}
        return cls(**{name: value for name, value in values.items() if name != "passed"} | measures)


NO_HIDDEN_STATE = LongRoll(note="the model has no hidden state that could drift away over a long time")
TOO_SHORT = LongRoll(note="no series is long enough for the network to answer instead of its fallback")


def check(bundle: Bundle, panel: Panel, tail: np.ndarray, chunk: int, share: float = 1.0) -> LongRoll:
    """Compares both states over the last `tail` (n,) steps of each series, on which the bundle was not fitted.

    `chunk` is the number of origins that training reads at a time; a `share` of the usual series is read. A model
    without recurrent layers passes.
    """
    config, steps = bundle.config, CHUNKS * chunk
    if not config.recurrent_layers:
        return NO_HIDDEN_STATE
    most = min(len(panel), TAIL_SERIES, ROLLED_STEPS // steps)
    panel, tail = _sample(panel, tail, config, fewer(most, share) if share < 1 else most)
    count = int(np.clip(FORECASTS // max(1, len(panel)), 4, 64))
    origins = rolling_origins(panel, panel.lengths - tail, config.horizon, count)
    errors, known, taken = _roll_both(bundle, panel, origins, steps)
    divisor = _divisor(panel.head(panel.lengths - tail), config.season)
    scored = known & np.isfinite(divisor) & (taken >= steps)
    if not scored.any():
        return TOO_SHORT
    unit_of = (
        np.arange(len(panel)) if len(panel) >= MANY_SERIES else (panel.lengths - origins.stops.T) // config.horizon
    )
    units, series = np.broadcast_to(unit_of, scored.shape), scored.any(0)
    mase, pinball = (Measure.of(*_by_unit(errors[measure] / divisor, scored, units)) for measure in range(2))
    return LongRoll(int(taken[series].min()), int(series.sum()), len(origins), mase, pinball)


def _roll_both(bundle: Bundle, panel: Panel, origins: Origins, steps: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Errors (measure, state, O, n) of the rolled and the fresh state, where there are any (O, n), steps taken (n,)."""
    # The intervals do not adapt here: only the hidden state is compared.
    roller = Roller(replace(bundle, calibration=replace(bundle.calibration, rate=0.0)))
    rows, levels, found, known = np.arange(len(panel)), bundle.config.levels, [], []
    state, taken = rolled(roller, panel, origins.stops[:, 0], steps)
    for k, stop in enumerate(origins.stops.T):
        if k:
            advance(roller, state, panel, origins.stops[:, k - 1], stop)
        fresh = start(roller, panel, stop)
        fresh.mean[:] = state.mean  # a mean over more rounds is better, and would hide a worse hidden state
        answers = [answer(roller, either, rows) for either in (state, fresh)]
        actual = actuals(panel, origins, k, bundle.config.horizon)  # read only after the forecasts
        actual[answers[0][1] | answers[1][1]] = np.nan  # leaves out what the fallback answered
        found.append([_errors(quantiles, actual, levels) for quantiles, _ in answers])
        known.append(~np.isnan(actual).all(1))
    return np.array(found).transpose(2, 1, 0, 3), np.array(known), taken


def rolled(roller: Roller, panel: Panel, stops: np.ndarray, steps: int) -> tuple[NumericState, np.ndarray]:
    """States at `stops` (n,) whose hidden state has read at least `steps` steps, and the exact number (n,).

    A shorter series is rolled through repeatedly from its first full window: the hidden state continues from the end of
    the last pass, and the window starts over, so that no window spans the end and the start of the series.
    """
    begin = np.maximum(np.minimum(roller.config.window, stops // 2), stops - steps)
    passes = -(-steps // (stops - begin))
    begun = start(roller, panel, begin)
    state = begun.take(np.arange(len(panel)))
    for done in range(int(passes.max(initial=0))):
        unfinished = passes > done
        again = np.flatnonzero(unfinished)
        restarted = begun.take(again)
        restarted.hidden[:], restarted.carry[:] = state.hidden[again], state.carry[again]
        state.put(again, restarted)
        advance(roller, state, panel, np.where(unfinished, begin, stops), stops)
    started = begun.observed > 0  # the state of a series without a value restarts at every step
    return state, np.where(started, passes * (stops - begin), 0)


def _sample(panel: Panel, tail: np.ndarray, config: ModelConfig, most: int) -> tuple[Panel, np.ndarray]:
    """At most `most` series, evenly spread, of those whose past may be long enough for the network to answer."""
    usable = np.flatnonzero(panel.lengths - np.maximum(tail, config.horizon) >= max(2, config.minimum))
    count = min(len(usable), TAIL_SERIES, max(1, most))
    rows = usable[np.unique(np.linspace(0, len(usable) - 1, count).astype(np.int64))]
    return panel.select(rows), tail[rows]


def _errors(quantiles: np.ndarray, actual: np.ndarray, levels: tuple[float, ...]) -> np.ndarray:
    """(2, n) mean |error| of the median and twice the mean pinball loss, over the steps that are known."""
    known = ~np.isnan(actual)
    miss = np.where(known, actual, 0.0)[..., None] - quantiles
    tau = np.array(levels)
    losses = 2 * np.maximum(tau * miss, (tau - 1) * miss)
    both = np.stack([np.abs(miss[..., len(levels) // 2]), losses.mean(-1)])
    return np.asarray(np.where(known, both, 0.0).sum(-1) / np.maximum(1, known.sum(-1)))


def _by_unit(errors: np.ndarray, scored: np.ndarray, units: np.ndarray) -> np.ndarray:
    """(state, u) mean error of each state in each unit; errors (state, O, n), scored and units (O, n)."""
    _, unit = np.unique(units[scored], return_inverse=True)
    return np.stack([np.bincount(unit, own[scored]) for own in errors]) / np.bincount(unit)


def _divisor(past: Panel, season: int) -> np.ndarray:
    """(n,) MASE divisors; NaN for a series without one, and ones if no series has any."""
    divisor = seasonal_error(past, season)
    return np.where(divisor > 0, divisor, np.nan) if (divisor > 0).any() else np.ones_like(divisor)


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
