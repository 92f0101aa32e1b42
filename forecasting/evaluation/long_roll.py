"""The long roll: is a state that was rolled for very long as good as one that was started just now?

Training shows a network stretches of some chunks; served, its memory is never cleared. So a bundle blind to the
validation tail forecasts twice from the same origins of that tail: *rolled*, its memory advanced with every value of
ten training chunks before the first origin and on from origin to origin, and *fresh*, started from the context before
each origin alone. It fails when rolled is worse than fresh by more than `MARGIN` and the excess is no luck: a paired
one-sided test at 5 %. The margin lets pass what no user would notice; the test, what other series would have undone.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from forecasting.accuracy import seasonal_error
from forecasting.config import ModelConfig
from forecasting.evaluation.backtest import Origins, actuals, advance, answer, rolling_origins, start
from forecasting.evaluation.permutation_test import SIGNIFICANCE, sign_flip_test, testable
from forecasting.evaluation.validation import MANY, TAIL_SERIES
from forecasting.panel import Panel
from forecasting.rolling.bundle import Bundle
from forecasting.rolling.roller import NumericState, Roller

CHUNKS = 10  # training chunks that the rolled state has behind it
MARGIN = 0.01  # relative excess of error that is let pass
UNTESTED_MARGIN = 0.1  # and where there are too few units for a test: then all of them have to exceed it
ROLLED_STEPS = 200_000  # of all series together before their first origins: a few seconds' work
FORECASTS = 1_000  # of each state, at 4 to 64 origins a series


@dataclass(frozen=True)
class Measure:
    """Mean error of both states, in units of the MASE divisor. `rolled` is None where it is no finite number."""

    rolled: float | None
    fresh: float | None
    ratio: float | None  # rolled / fresh; None where that says nothing
    p_value: float  # chance, were rolled no worse than fresh and the margin, of an excess this large
    worse: bool

    @classmethod
    def of(cls, rolled: np.ndarray, fresh: np.ndarray) -> "Measure":
        """rolled, fresh (units,), paired."""
        means = float(rolled.mean()), float(fresh.mean())
        if not np.isfinite(means).all():
            return cls(_finite(means[0]), _finite(means[1]), None, 0.0, worse=True)
        excess = rolled - (1 + (MARGIN if testable(len(rolled)) else UNTESTED_MARGIN)) * fresh
        chance = sign_flip_test(excess)
        worse = excess.mean() > 0 and chance <= max(SIGNIFICANCE, 0.5 ** len(excess))
        return cls(*means, means[0] / means[1] if means[1] > 0 else None, chance, bool(worse))


@dataclass(frozen=True)
class LongRoll:
    """What the check found. `note` says why nothing was rolled, where nothing was."""

    steps: int = 0  # that every rolled memory had behind it at its first origin, at least
    series: int = 0
    origins: int = 0  # of a series
    mase: Measure | None = None  # of the medians
    pinball: Measure | None = None  # twice the pinball loss, over all levels: it sees the intervals too
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
        """What `to_dict` gave."""
        measures = {name: Measure(**values[name]) if values[name] else None for name in ("mase", "pinball")}
        return cls(**{name: value for name, value in values.items() if name != "passed"} | measures)


NO_MEMORY = LongRoll(note="its state holds values and their means alone: there is no memory that could drift")
TOO_SHORT = LongRoll(note="no series is long enough for the network itself to answer")


def check(bundle: Bundle, panel: Panel, tail: np.ndarray, chunk: int) -> LongRoll:
    """Compare both states over the last `tail` (n,) steps of each series, which the bundle has not seen.

    `chunk` is the number of anchors that training read at a time. A model without a recurrent memory cannot differ, and
    passes.
    """
    config, steps = bundle.config, CHUNKS * chunk
    if not config.recurrent_layers:
        return NO_MEMORY
    panel, tail = _sample(panel, tail, config, ROLLED_STEPS // steps)
    count = int(np.clip(FORECASTS // max(1, len(panel)), 4, 64))
    origins = rolling_origins(panel, panel.lengths - tail, config.horizon, count)
    errors, known, taken = _roll_both(bundle, panel, origins, steps)
    divisor = _divisor(panel.head(panel.lengths - tail), config.season)
    scored = known & np.isfinite(divisor) & (taken >= steps)
    if not scored.any():
        return TOO_SHORT
    witnesses = np.arange(len(panel)) if len(panel) >= MANY else (panel.lengths - origins.stops.T) // config.horizon
    units, series = np.broadcast_to(witnesses, scored.shape), scored.any(0)
    mase, pinball = (Measure.of(*_by_unit(errors[measure] / divisor, scored, units)) for measure in range(2))
    return LongRoll(int(taken[series].min()), int(series.sum()), len(origins), mase, pinball)


def _roll_both(bundle: Bundle, panel: Panel, origins: Origins, steps: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Errors (measure, state, O, n) of the rolled and the fresh state, where there are any (O, n), steps taken (n,)."""
    # How intervals learn is no matter of memory: neither state's do here.
    roller = Roller(replace(bundle, calibration=replace(bundle.calibration, rate=0.0)))
    rows, levels, found, known = np.arange(len(panel)), bundle.config.levels, [], []
    state, taken = rolled(roller, panel, origins.stops[:, 0], steps)
    for k, stop in enumerate(origins.stops.T):
        if k:
            advance(roller, state, panel, origins.stops[:, k - 1], stop)
        fresh = start(roller, panel, stop)
        fresh.mean[:] = state.mean  # a mean of more rounds is better, and would hide a memory that is worse
        answers = [answer(roller, one, rows) for one in (state, fresh)]
        actual = actuals(panel, origins, k, bundle.config.horizon)  # only now is the future looked at
        actual[answers[0][1] | answers[1][1]] = np.nan  # where a fallback answers, no memory speaks
        found.append([_errors(quantiles, actual, levels) for quantiles, _ in answers])
        known.append(~np.isnan(actual).all(1))
    return np.array(found).transpose(2, 1, 0, 3), np.array(known), taken


def rolled(roller: Roller, panel: Panel, stops: np.ndarray, steps: int) -> tuple[NumericState, np.ndarray]:
    """States at `stops` (n,) whose recurrent memory has at least `steps` steps behind it, and how many exactly (n,).

    A series that is shorter is rolled through again from its first full window, as often as needed: its memory goes on
    where the last pass ended, its window starts over, so that no window ever spans the seam.
    """
    begin = np.maximum(np.minimum(roller.config.window, stops // 2), stops - steps)
    passes = -(-steps // (stops - begin))
    begun = start(roller, panel, begin)
    state = begun.take(np.arange(len(panel)))
    for done in range(int(passes.max(initial=0))):
        going_on = passes > done
        again = np.flatnonzero(going_on)
        anew = begun.take(again)
        anew.hidden[:], anew.carry[:] = state.hidden[again], state.carry[again]
        state.put(again, anew)
        advance(roller, state, panel, np.where(going_on, begin, stops), stops)
    remembering = begun.observed > 0  # a series without a value keeps starting anew
    return state, np.where(remembering, passes * (stops - begin), 0)


def _sample(panel: Panel, tail: np.ndarray, config: ModelConfig, most: int) -> tuple[Panel, np.ndarray]:
    """At most `most` series, evenly chosen, of those whose past may be long enough for the network to answer."""
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
    return np.stack([np.bincount(unit, one[scored]) for one in errors]) / np.bincount(unit)


def _divisor(past: Panel, season: int) -> np.ndarray:
    """(n,) MASE divisors; NaN where there is none, and ones where no series has any."""
    divisor = seasonal_error(past, season)
    return np.where(divisor > 0, divisor, np.nan) if (divisor > 0).any() else np.ones_like(divisor)


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
