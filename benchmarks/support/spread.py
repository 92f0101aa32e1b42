"""The uncertainty of a figure: its spread over seeds, and confidence intervals."""

import math
from collections.abc import Mapping, Sequence

from benchmarks.support.run import Figures

SURE = 1.96  # standard errors of a 95 % confidence interval
MANY = 30  # from this number on, each series is an independent unit


def over_seeds(runs: Sequence[Mapping[str, float | None]]) -> Figures:
    """Mean, least and most of each figure over runs; None if a run could not measure it."""
    figures: Figures = {}
    for name in runs[0]:
        values = [value for run in runs if (value := run[name]) is not None]
        whole = len(values) == len(runs)
        figures[name] = sum(values) / len(values) if whole else None
        figures[f"{name}_least"], figures[f"{name}_most"] = (min(values), max(values)) if whole else (None, None)
    return figures


def between(figures: Figures, name: str, ends: tuple[str, str] = ("least", "most")) -> str:
    """The least and the most of a figure, for a table."""
    return " – ".join(number(figures[f"{name}_{end}"]) for end in ends)


def number(value: float | None) -> str:
    """A figure with four significant digits, for a table."""
    if value is None:
        return "n/a"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def wilson(share: float, trials: float) -> tuple[float, float]:
    """95 % confidence interval of a share over independent trials (Wilson 1927)."""
    middle = (share + SURE**2 / (2 * trials)) / (1 + SURE**2 / trials)
    half = SURE * math.sqrt(share * (1 - share) / trials + SURE**2 / (4 * trials**2)) / (1 + SURE**2 / trials)
    return middle - half, middle + half


def sure_of(share: float, error: float | None, series: int, forecasts: int) -> tuple[float, float]:
    """95 % confidence interval of a coverage. The values of one forecast are correlated, so they do not count singly.

    With many series each is one unit, and `error` is the standard error over them; with few, the `forecasts` that do
    not overlap are treated as independent.
    """
    if series >= MANY and error is not None:
        return max(0.0, share - SURE * error), min(1.0, share + SURE * error)
    return wilson(share, max(1, forecasts))


def around(ratio: float | None, error: float | None, series: int) -> tuple[float | None, float | None]:
    """95 % confidence interval of a ratio of sums over series; None with too few series."""
    if ratio is None or error is None or series < MANY:
        return None, None
    return max(0.0, ratio - SURE * error), ratio + SURE * error


def held(share: float, low: float, high: float) -> str:
    """A coverage and its confidence interval, for a table."""
    return f"{share:.3f} ({low:.3f} – {high:.3f})"
