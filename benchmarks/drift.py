"""How often the monitor's detectors fire: without a change, and after one.

Series of 21 windows, the last one recent: white noise, autoregressive noise that keeps 0.5 or 0.9 of the value before,
a season of 24 steps under noise, and a random walk. KS and PSI, of levels and of changes, are four statistics a look;
the figure of Page-Hinkley is of 600 settled hours, the last 72 of which count.

Keys of --json: looks; false_alarms (share of all statistics that fired while nothing changed), false_looks (share of
looks in which any of the four did), worst_false_looks (the same, of the worst kind of series);
noticed_shift, noticed_variance, noticed_stuck (share of looks in which any fired, random walks left out of the shift);
page_hinkley_false, page_hinkley_noticed (errors that rise by two standard deviations, for 30 hours).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.support.run import Figures, command, finish, parser
from pipelines.monitoring import detectors

FIRST = 1_000  # first seed; the thresholds were chosen on series of smaller seeds
WINDOW, WINDOWS = 256, detectors.MOST_WINDOWS + 1
SEASON = 24
Make = Callable[[np.random.Generator], np.ndarray]
Change = Callable[[np.ndarray, float], np.ndarray]


def autoregressive(share: float) -> Make:
    """Noise that keeps this share of the value before."""

    def make(draw: np.random.Generator) -> np.ndarray:
        values = draw.standard_normal(WINDOW * WINDOWS)
        for i in range(1, len(values)):
            values[i] += share * values[i - 1]
        return values

    return make


def seasonal(draw: np.random.Generator) -> np.ndarray:
    return draw.standard_normal(WINDOW * WINDOWS) + 4 * np.sin(2 * np.pi * np.arange(WINDOW * WINDOWS) / SEASON)


KINDS: dict[str, Make] = {
    "white noise": autoregressive(0.0),
    "autoregressive 0.5": autoregressive(0.5),
    "autoregressive 0.9": autoregressive(0.9),
    "season of 24": seasonal,
    "random walk": autoregressive(1.0),
}
CHANGES: dict[str, Change] = {
    "shift": lambda last, spread: last + 3 * spread,
    "variance": lambda last, spread: last.mean() + 3 * (last - last.mean()),
    "stuck": lambda last, spread: np.full_like(last, last[0]),
}


def look(values: np.ndarray) -> list[bool]:
    """Which of the four statistics fire."""
    both = (list(signal.reshape(WINDOWS, WINDOW)) for signal in (values, np.diff(values, prepend=values[0])))
    return [found.fired for own in both for found in detectors.compare_windows(own[:-1], own[-1], "")]


def changed(values: np.ndarray, change: Change) -> np.ndarray:
    """The same series with another last window."""
    return np.append(values[:-WINDOW], change(values[-WINDOW:], float(values[:-WINDOW].std())))


def of_kind(make: Make, looks: int) -> dict[str, float]:
    """Shares over `looks` series of one kind."""
    series = [make(np.random.default_rng(FIRST + seed)) for seed in range(looks)]
    quiet = np.array([look(values) for values in series])
    shares = {"statistics": float(quiet.mean()), "looks": float(quiet.any(1).mean())}
    return shares | {
        name: float(np.mean([any(look(changed(values, change))) for values in series[: looks // 4]]))
        for name, change in CHANGES.items()
    }


def residuals(looks: int) -> Figures:
    """Page-Hinkley on hourly errors."""
    draws = [np.random.default_rng(FIRST + seed).standard_normal(600) + 5 for seed in range(looks)]
    rising = [np.append(errors[:-30], errors[-30:] + 2) for errors in draws]
    false, noticed = ([detectors.page_hinkley(errors, "", 72).fired for errors in some] for some in (draws, rising))
    return {"page_hinkley_false": float(np.mean(false)), "page_hinkley_noticed": float(np.mean(noticed))}


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--looks", type=int, default=100, help="series of each kind")
    chosen = options.parse_args()
    found = {name: of_kind(make, chosen.looks) for name, make in KINDS.items()}
    steady = [shares for name, shares in found.items() if name != "random walk"]
    figures: Figures = {
        "looks": chosen.looks * len(KINDS),
        "false_alarms": float(np.mean([shares["statistics"] for shares in found.values()])),
        "false_looks": float(np.mean([shares["looks"] for shares in found.values()])),
        "worst_false_looks": max(shares["looks"] for shares in found.values()),
        "noticed_shift": float(np.mean([shares["shift"] for shares in steady])),
        "noticed_variance": float(np.mean([shares["variance"] for shares in found.values()])),
        "noticed_stuck": float(np.mean([shares["stuck"] for shares in found.values()])),
        **residuals(chosen.looks),
    }
    heads = ("statistics", "looks", *CHANGES)
    rows = [["kind", "false statistics", "false looks", *CHANGES]]
    rows += [[name, *(f"{shares[head]:.3f}" for head in heads)] for name, shares in found.items()]
    rows.append(
        ["Page-Hinkley", f"{figures['page_hinkley_false']:.3f}", "", f"{figures['page_hinkley_noticed']:.3f}", "", ""]
    )
    finish("drift", figures, rows, chosen)


if __name__ == "__main__":
    command(main)
