"""The promotion gate: whether a candidate may serve. Pure arithmetic on errors at the same origins; reads no store.

A candidate passes when all of these hold:

- its mean error is lower than each rival's by a configured share, and a paired sign-flip test finds that this is not
  chance. Against the previous version it only must not be worse; otherwise a rollback would be better;
- its forecasts are finite, and the share of values inside its 80 % interval is near 80 %;
- the size of its artifact and the time of one step are within the limits;
- a recurrent state that was rolled for long forecasts as well as a fresh one (`forecasting/evaluation/long_roll.py`);
- if it rolled in shadow, its error there was not above the champion's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from forecasting.evaluation.long_roll import LongRoll, Measure
from forecasting.evaluation.permutation_test import SIGNIFICANCE, sign_flip_test
from forecasting.evaluation.validation import RIVAL

Role = Literal["", "champion", "previous"]


@dataclass(frozen=True)
class GateRules:
    """What the promotion gate requires of a candidate."""

    gain: float = 0.01  # least relative reduction of the mean error, against each rival
    significance: float = SIGNIFICANCE  # largest p-value of the paired test
    untested_gain: float = 0.1  # least gain where there are too few units for the test
    coverage_80: tuple[float, float] = (0.65, 0.95)  # share of values inside the 80 % interval
    largest_bytes: int = 64_000_000  # of an artifact
    longest_ms: float = 100.0  # for one step and one forecast of one series

    def without_gain(self) -> GateRules:
        """The same rules, except that the candidate only must not be worse."""
        return replace(self, gain=0.0, significance=1.0)


@dataclass(frozen=True)
class Contender:
    """One model that is compared. `errors` (units,): mean scaled errors; unit i is the same series or origins for all.

    `scores`: mase, wql, coverage_80 and others, recorded with the decision.
    """

    model: str
    version: int | None
    errors: np.ndarray
    scores: dict[str, Any]
    role: Role = ""

    @property
    def error(self) -> float:
        """The mean error, which the promotion gate compares."""
        return float(np.mean(self.errors))

    @property
    def name(self) -> str:
        """The name in messages: the model, and its role if it has one."""
        if self.model == RIVAL:
            return "each series' own rival"
        return f"{self.model} ({self.role})" if self.role else self.model


@dataclass(frozen=True)
class ServingCost:
    """Size of a model's artifact in bytes, and milliseconds for one step and one forecast of one series."""

    bytes: int
    ms: float


@dataclass(frozen=True)
class ShadowResult:
    """Errors of challenger and champion on the same live values, in MASE units; None where no series has a MASE."""

    targets: int  # live values that both had forecast
    challenger: float | None
    champion: float | None
    measure: str = "MASE"  # or log loss, of symbols

    def to_dict(self) -> dict[str, Any]:
        """As the promotion log has it: the measure is said where it is not MASE."""
        return {name: value for name, value in vars(self).items() if (name, value) != ("measure", "MASE")}


@dataclass(frozen=True)
class RivalComparison:
    """A candidate against one rival.

    gain     relative reduction of the mean error: 1 - candidate / rival, positive where the candidate is better
    p_value  of the paired test
    units    number of paired errors
    """

    rival: str
    gain: float
    p_value: float
    units: int


def compare_with_rival(candidate: Contender, rival: Contender) -> RivalComparison:
    """Relative gain in mean error, and its p-value under the hypothesis that both models are equal.

    Where the rival's error is 0, the gain is 0 if the candidate's is too, else -1. The gain is NaN where the
    candidate's forecasts are not all finite, and 1 where only the rival's are not.
    """
    if not np.isfinite(candidate.errors).all():
        return RivalComparison(rival.name, float("nan"), 1.0, len(rival.errors))
    if not np.isfinite(rival.errors).all():
        return RivalComparison(rival.name, 1.0, 0.0, len(candidate.errors))
    gain = 1 - candidate.error / rival.error if rival.error > 0 else -float(candidate.error > 0)
    return RivalComparison(rival.name, gain, sign_flip_test(rival.errors - candidate.errors), len(rival.errors))


def accuracy_objections(candidate: Contender, rivals: Sequence[Contender], rules: GateRules) -> list[str]:
    """Where the candidate's errors or intervals break the rules, one clause each; empty where they do not."""
    if not np.isfinite(candidate.errors).all():
        return ["it gave forecasts that are not finite numbers"]
    required = [rules.without_gain() if rival.role == "previous" else rules for rival in rivals]
    compared = [
        missing_gain(compare_with_rival(candidate, rival), own) for rival, own in zip(rivals, required, strict=True)
    ]
    found = [clause for clause in compared if clause]
    low, high = rules.coverage_80
    coverage = candidate.scores["coverage_80"]
    if not low <= coverage <= high:
        what = "set of symbols" if "log_loss" in candidate.scores else "interval"
        found.append(f"its 80 % {what} held {coverage:.0%} of the values; {low:.0%} to {high:.0%} are required")
    return list(dict.fromkeys(found))  # the champion may be a baseline that is a rival as well


def cost_objections(cost: ServingCost, rules: GateRules) -> list[str]:
    """Where a model's size or time is above the limits, one clause each."""
    found = []
    if cost.bytes > rules.largest_bytes:
        found.append(f"its artifact has {cost.bytes / 1e6:.1f} MB; the limit is {rules.largest_bytes / 1e6:.1f} MB")
    if cost.ms > rules.longest_ms:
        found.append(
            f"one step and one forecast of a series take {cost.ms:.1f} ms; the limit is {rules.longest_ms:g} ms"
        )
    return found


def shadow_objections(result: ShadowResult | None) -> list[str]:
    """One clause where the version's error in shadow was above the champion's; none where there is no result."""
    if result is None or result.challenger is None or result.champion is None or result.challenger <= result.champion:
        return []
    return [
        f"in shadow its {result.measure} was {result.challenger:.3f} on {result.targets} live values, the champion's "
        f"was {result.champion:.3f} on the same values"
    ]


def long_roll_objections(long_roll: LongRoll | None) -> list[str]:
    """Where a long-rolled state forecasts worse than a fresh one, one clause for each measure.

    None means that the model was registered before there was this check.
    """
    if long_roll is None:
        return ["it was registered before the long roll was checked; train it again"]
    measures = {"MASE": long_roll.mase, "scaled pinball loss": long_roll.pinball}
    found = [rolled_and_fresh(name, each, long_roll.steps) for name, each in measures.items() if each and each.worse]
    return list(dict.fromkeys(found))


def rolled_and_fresh(name: str, measure: Measure, steps: int) -> str:
    """Both figures of a measure."""
    if measure.rolled is None or measure.fresh is None:
        return f"after a roll of {steps} steps its forecasts are not finite numbers"
    return (
        f"after a roll of {steps} steps its {name} is {measure.rolled:.3f}, "
        f"from a fresh state it is {measure.fresh:.3f}"
    )


def missing_gain(comparison: RivalComparison, rules: GateRules) -> str | None:
    """What a comparison lacks, in one clause; None where it keeps to the rules.

    With too few units for a test, a large gain in every unit is required.
    """
    testable = 0.5**comparison.units <= rules.significance
    required = rules.gain if testable else max(rules.gain, rules.untested_gain if rules.significance < 1 else 0.0)
    if comparison.gain < required:
        return (
            f"its error is {-comparison.gain:+.1%} against {comparison.rival}; {0 - required:+.1%} or lower is required"
        )
    if comparison.p_value > max(rules.significance, 0.5**comparison.units):
        return f"its gain over {comparison.rival} could be chance (p = {comparison.p_value:.2f})"
    return None


def block_means(errors: np.ndarray, length: int) -> np.ndarray:
    """(n,) errors at origins in time order -> means of blocks of `length` successive origins."""
    starts = np.arange(0, len(errors), max(1, length))
    return np.add.reduceat(errors, starts) / np.diff(np.append(starts, len(errors)))
