"""How sure a figure is: its spread over seeds, and the confidence interval of a coverage."""

import math
from collections.abc import Mapping, Sequence

from benchmarks.support.run import Figures

SURE = 1.96  # standard errors of a 95 % confidence interval
MANY = 30  # series from which each is a witness of its own


def over_seeds(runs: Sequence[Mapping[str, float | None]]) -> Figures:
    """The mean of each figure over runs, its least and its most; None where a run could not measure it."""
    figures: Figures = {}
    for name in runs[0]:
        values = [value for run in runs if (value := run[name]) is not None]
        whole = len(values) == len(runs)
        figures[name] = sum(values) / len(values) if whole else None
        figures[f"{name}_least"], figures[f"{name}_most"] = (min(values), max(values)) if whole else (None, None)
    return figures


def between(figures: Figures, name: str, ends: tuple[str, str] = ("least", "most")) -> str:
    """The least and the most of a figure, as a table says them."""
    return " – ".join(number(figures[f"{name}_{end}"]) for end in ends)


def number(value: float | None) -> str:
    """A figure as a table says it: four digits that count."""
    if value is None:
        return "n/a"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def wilson(share: float, trials: float) -> tuple[float, float]:
    """95 % confidence interval of a share over independent trials (Wilson 1927)."""
    middle = (share + SURE**2 / (2 * trials)) / (1 + SURE**2 / trials)
    half = SURE * math.sqrt(share * (1 - share) / trials + SURE**2 / (4 * trials**2)) / (1 + SURE**2 / trials)
    return middle - half, middle + half


def sure_of(share: float, error: float | None, series: int, forecasts: int) -> tuple[float, float]:
    """95 % confidence interval of a coverage: values of one forecast fall in or out together, so they are not counted.

    With many series each is one witness, and `error` is the standard error over them; with few it is the `forecasts`
    that do not overlap which are taken as independent.
    """
    if series >= MANY and error is not None:
        return max(0.0, share - SURE * error), min(1.0, share + SURE * error)
    return wilson(share, max(1, forecasts))


def around(ratio: float | None, error: float | None, series: int) -> tuple[float | None, float | None]:
    """95 % confidence interval of a ratio of sums over series; none where these are too few to witness it."""
    if ratio is None or error is None or series < MANY:
        return None, None
    return max(0.0, ratio - SURE * error), ratio + SURE * error


def held(share: float, low: float, high: float) -> str:
    """A coverage and its confidence interval, as a table says them."""
    return f"{share:.3f} ({low:.3f} – {high:.3f})"
