"""The gate: may a model serve? Pure arithmetic over errors that contenders made at the very same origins.

A challenger passes when it is clearly better than every rival: by a configured share of the rival's error, and by more
than the luck of the draw (a paired test that flips signs). Than the version that served before the present one it need
only not be worse: else a roll-back would do better. Its 80 % interval must hold roughly what it says, its forecasts
must be finite, its size and its time within the budget, and its memory must stand a long roll
(`forecasting/evaluation/long_roll.py`). One that rolled in shadow must not have been worse there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from forecasting.evaluation.long_roll import LongRoll, Measure
from forecasting.evaluation.permutation_test import SIGNIFICANCE, sign_flip_test

Role = Literal["", "champion", "previous"]


@dataclass(frozen=True)
class GateRules:
    """What is asked of a challenger."""

    gain: float = 0.01  # relative reduction of the mean error, against each rival
    significance: float = SIGNIFICANCE  # largest chance, were the two equal, of a difference this large
    untested_gain: float = 0.1  # the gain asked where there are too few units for the test
    coverage_80: tuple[float, float] = (0.65, 0.95)  # share of values inside the 80 % interval
    largest_bytes: int = 64_000_000  # of an artifact
    longest_ms: float = 100.0  # that one series may take to advance and forecast

    def leniently(self) -> GateRules:
        """The same where no gain has to be proven: nothing may be worse, that is all."""
        return replace(self, gain=0.0, significance=1.0)


@dataclass(frozen=True)
class Contender:
    """One model's record. `errors` (units,) are mean scaled errors; unit i is the same series or origins for all."""

    model: str
    version: int | None
    errors: np.ndarray
    scores: dict[str, Any]  # mase, wql, coverage_80 … for the record
    role: Role = ""

    @property
    def error(self) -> float:
        """The mean the gate compares."""
        return float(np.mean(self.errors))

    @property
    def name(self) -> str:
        """How a decision names it."""
        return f"{self.model} ({self.role})" if self.role else self.model


@dataclass(frozen=True)
class ServingCost:
    """What a model takes: size in bytes of its artifact, milliseconds for one series to advance and to forecast."""

    bytes: int
    ms: float


@dataclass(frozen=True)
class ShadowResult:
    """A challenger and the champion on the very same live values; errors in MASE units, None where nothing has one."""

    targets: int  # values that both had forecast
    challenger: float | None
    champion: float | None


@dataclass(frozen=True)
class RivalComparison:
    """A challenger against one rival. `gain` > 0 is in the challenger's favour."""

    rival: str
    gain: float
    p_value: float
    units: int


def compare_with_rival(challenger: Contender, rival: Contender) -> RivalComparison:
    """Relative gain in mean error and the chance of it, were the two alike. Against a perfect rival any error is -1.

    A challenger whose forecasts are not all finite has no gain: NaN. Against such a rival everything is gained.
    """
    if not np.isfinite(challenger.errors).all():
        return RivalComparison(rival.name, float("nan"), 1.0, len(rival.errors))
    if not np.isfinite(rival.errors).all():
        return RivalComparison(rival.name, 1.0, 0.0, len(challenger.errors))
    gain = 1 - challenger.error / rival.error if rival.error > 0 else -float(challenger.error > 0)
    return RivalComparison(rival.name, gain, sign_flip_test(rival.errors - challenger.errors), len(rival.errors))


def accuracy_objections(challenger: Contender, rivals: Sequence[Contender], rules: GateRules) -> list[str]:
    """Why a challenger may not serve, one clause each; empty when it may."""
    if not np.isfinite(challenger.errors).all():
        return ["it gave forecasts that are not finite numbers"]
    asked = [rules.leniently() if rival.role == "previous" else rules for rival in rivals]
    compared = [
        missing_gain(compare_with_rival(challenger, rival), own) for rival, own in zip(rivals, asked, strict=True)
    ]
    found = [clause for clause in compared if clause]
    low, high = rules.coverage_80
    coverage = challenger.scores["coverage_80"]
    if not low <= coverage <= high:
        found.append(f"its 80 % interval held {coverage:.0%} of the values, outside {low:.0%} to {high:.0%}")
    return list(dict.fromkeys(found))  # the champion may be a baseline that is a rival of its own


def cost_objections(cost: ServingCost, rules: GateRules) -> list[str]:
    """Where a model is beyond the budget, one clause each."""
    found = []
    if cost.bytes > rules.largest_bytes:
        found.append(f"its artifact has {cost.bytes / 1e6:.1f} MB; {rules.largest_bytes / 1e6:.1f} MB are allowed")
    if cost.ms > rules.longest_ms:
        found.append(
            f"one series takes it {cost.ms:.1f} ms to advance and forecast; {rules.longest_ms:g} ms are allowed"
        )
    return found


def shadow_objections(trial: ShadowResult | None) -> list[str]:
    """Why what happened in shadow speaks against a challenger, one clause; none where there was no trial."""
    if trial is None or trial.challenger is None or trial.champion is None or trial.challenger <= trial.champion:
        return []
    return [
        f"in shadow its MASE was {trial.challenger:.3f} on {trial.targets} live values, the champion's "
        f"{trial.champion:.3f} on the same"
    ]


def long_roll_objections(long_roll: LongRoll | None) -> list[str]:
    """Why a network's memory may not be rolled for long, one clause each; None was never checked."""
    if long_roll is None:
        return ["it was registered before states were rolled for long to check them; train it again"]
    measures = {"MASE": long_roll.mase, "scaled pinball loss": long_roll.pinball}
    found = [worse_than_fresh(name, one, long_roll.steps) for name, one in measures.items() if one and one.worse]
    return list(dict.fromkeys(found))


def worse_than_fresh(name: str, measure: Measure, steps: int) -> str:
    """Both figures of a measure that a long roll made worse."""
    if measure.rolled is None or measure.fresh is None:
        return f"rolled for {steps} steps its forecasts are not finite numbers"
    return f"rolled for {steps} steps its {name} is {measure.rolled:.3f}, freshly started {measure.fresh:.3f}"


def missing_gain(comparison: RivalComparison, rules: GateRules) -> str | None:
    """Where a comparison falls short of the rules, if it does.

    Too few units for any test to convince ask for a gain that needs none: in every unit, and large.
    """
    testable = 0.5**comparison.units <= rules.significance
    asked = rules.gain if testable else max(rules.gain, rules.untested_gain if rules.significance < 1 else 0.0)
    if comparison.gain < asked:
        return f"its error is {-comparison.gain:+.1%} against {comparison.rival}; {0 - asked:+.1%} or better is asked"
    if comparison.p_value > max(rules.significance, 0.5**comparison.units):
        return f"its gain over {comparison.rival} could be chance (p {comparison.p_value:.2f})"
    return None


def block_means(errors: np.ndarray, length: int) -> np.ndarray:
    """(n,) errors at origins in time order -> means of blocks of `length`; overlapping forecasts share a block."""
    starts = np.arange(0, len(errors), max(1, length))
    return np.add.reduceat(errors, starts) / np.diff(np.append(starts, len(errors)))
