"""Every figure that a benchmark is held to, in one table: the benchmark, the figure, at most or at least, the bound."""

from collections.abc import Mapping
from typing import Literal, NamedTuple


class Bound(NamedTuple):
    """What one figure of one benchmark has to reach."""

    benchmark: str
    figure: str
    side: Literal["at most", "at least"]
    value: float
    why: str


BOUNDS = (
    Bound("kernel", "single_step_ratio", "at most", 1 / 3, "one series, one step and forecast, against torch"),
    Bound("kernel", "batch_rate_with_heads", "at least", 0.40, "batch 256 against the float32 matrix product"),
    Bound("kernel", "batch_rate_without_heads", "at least", 0.45, "the same without forecasts"),
    Bound("kernel", "long_roll_ratio", "at most", 1.10, "cost after 100,000 steps against after 100"),
    Bound("machine_temperature", "mase_12_over_naive", "at most", 0.9999, "horizon 12 beats naive"),
    Bound("machine_temperature", "mase_12_over_seasonal_naive", "at most", 0.9999, "horizon 12 beats seasonal naive"),
    Bound(
        "machine_temperature", "mase_72_over_naive", "at most", 1.02, "horizon 72 is not worse than naive by over 2 %"
    ),
    Bound("machine_temperature", "coverage_80_at_12", "at least", 0.75, "the 80 % interval"),
    Bound("machine_temperature", "coverage_80_at_12", "at most", 0.85, "the 80 % interval"),
    Bound("machine_temperature", "coverage_80_at_72", "at least", 0.75, "the 80 % interval"),
    Bound("machine_temperature", "coverage_80_at_72", "at most", 0.85, "the 80 % interval"),
    Bound("m4", "weekly_owa", "at most", 0.75, "three minutes of training; best entry of the competition 0.739"),
    Bound("service", "ready_seconds", "at most", 1.5, "process start to ready"),
)


def shortfalls(benchmark: str, figures: Mapping[str, object]) -> list[str]:
    """A sentence for each figure that misses its bound, or is missing itself."""
    found = []
    for bound in (bound for bound in BOUNDS if bound.benchmark == benchmark):
        value = figures.get(bound.figure)
        if not isinstance(value, int | float):
            found.append(f"{bound.figure} was not measured ({bound.why})")
        elif (value > bound.value) if bound.side == "at most" else (value < bound.value):
            found.append(f"{bound.figure} is {value:.4g}, {bound.side} {bound.value:.4g} is asked ({bound.why})")
    return found
