"""First forecasts of new series: M4 weekly in five folds, each forecast by a baseline that was fitted to the others.

1, 2, 4, 8 and 16 values of every series left out are shown, from its beginning (or with --place random from any place);
the 80 % interval one step ahead is compared with the value that follows. With --folds neighbours a fold holds series
that stand together in the file, which are alike. The first fold is left out once more with the model fitted to one
other series, and to five.

Needs m4_weekly.parquet in the folder ROLLCAST_DATA (default ../shared/data). Trains no network.

Keys of --json: coverage_1, coverage_2, coverage_4, coverage_8, coverage_16 (share of values within the interval) and
width_1 … width_16 (median over series of its width over the last value), by values seen; lowest_coverage and
highest_coverage of these; width_ratio (width_16 over width_1); few_coverage_1 and few_coverage_16 (five training
series), one_coverage_1 and one_coverage_16 (one training series); seconds (of a fit to 287 series).
"""

from forecasting.kernel.threads import prepare

prepare()

import time  # noqa: E402  the processor's kernels are chosen before NumPy loads

import numpy as np  # noqa: E402
import polars as pl  # noqa: E402

from benchmarks.support import loop  # noqa: E402
from benchmarks.support.run import Figures, command, finish, parser  # noqa: E402
from data.errors import InvalidInput  # noqa: E402
from forecasting.evaluation.backtest import baseline  # noqa: E402
from forecasting.panel import Panel  # noqa: E402
from forecasting.rolling.bundle import Bundle  # noqa: E402
from forecasting.rolling.roller import Roller  # noqa: E402

SEEN = (1, 2, 4, 8, 16)
FOLDS, SEASON, HORIZON = 5, 1, 13
LOW, HIGH = 1, -2  # levels of the 80 % interval


def read() -> list[np.ndarray]:
    """The series of M4 weekly, training and test part together."""
    file = loop.DATA / "m4_weekly.parquet"
    if not file.exists():
        raise InvalidInput(f"{file} does not exist; name the folder of the data in ROLLCAST_DATA")
    rows = pl.read_parquet(file).sort("unique_id", "t")
    return [own["y"].to_numpy() for _, own in rows.group_by("unique_id", maintain_order=True)]


def fitted(series: list[np.ndarray]) -> Bundle:
    """The naive baseline with its scale prior, from these series."""
    return baseline("naive", Panel.of(series), SEASON, HORIZON)


def first_steps(bundle: Bundle, series: list[np.ndarray], seen: int) -> np.ndarray:
    """(n, 2): whether the value after the first `seen` lies in the interval, and its width over the last value seen.

    The values arrive one by one, as they do live.
    """
    roller, count = Roller(bundle), len(series)
    state, rows = roller.empty(count), np.repeat(np.arange(count), seen)
    values = np.concatenate([own[:seen] for own in series])
    roller.fold(state, rows, np.tile(np.arange(seen), count), values)
    low, high = roller.fallback(state, np.arange(count), 1)[:, 0, [LOW, HIGH]].T
    actual, last = (np.array([own[at] for own in series]) for at in (seen, seen - 1))
    return np.stack([(low <= actual) & (actual <= high), (high - low) / np.abs(last)], 1)


def split(count: int, folds: str) -> list[np.ndarray]:
    """The rows of each fold."""
    rows = np.arange(count) if folds == "neighbours" else np.random.default_rng(0).permutation(count)
    return np.array_split(rows, FOLDS)


def shown(series: list[np.ndarray], place: str) -> list[np.ndarray]:
    """The series from where they are shown."""
    if place == "first":
        return series
    draw = np.random.default_rng(1)
    return [own[draw.integers(0, len(own) - max(SEEN)) :] for own in series]


def across_folds(series: list[np.ndarray], folds: str, place: str) -> Figures:
    """Coverage and width by values seen, of every series while it was left out."""
    found: dict[int, list[np.ndarray]] = {seen: [] for seen in SEEN}
    began = time.perf_counter()
    for fold in split(len(series), folds):
        bundle = fitted([own for row, own in enumerate(series) if row not in fold])
        for seen in SEEN:
            found[seen].append(first_steps(bundle, shown([series[row] for row in fold], place), seen))
    took = (time.perf_counter() - began) / FOLDS
    whole = {seen: np.concatenate(parts) for seen, parts in found.items()}
    coverage = {f"coverage_{seen}": float(rows[:, 0].mean()) for seen, rows in whole.items()}
    width = {f"width_{seen}": float(np.median(rows[:, 1])) for seen, rows in whole.items()}
    return {
        **coverage,
        **width,
        "lowest_coverage": min(coverage.values()),
        "highest_coverage": max(coverage.values()),
        "width_ratio": width["width_16"] / width["width_1"],
        "seconds": took,
    }


def from_few(series: list[np.ndarray], name: str, training: int) -> Figures:
    """Coverage of the first fold, where only so many of the other series were there: a mean of twenty draws of them."""
    fold, draw = split(len(series), "mixed")[0], np.random.default_rng(2)
    others = np.setdiff1d(np.arange(len(series)), fold)
    found: dict[int, list[float]] = {1: [], 16: []}
    for _ in range(20):
        bundle = fitted([series[row] for row in draw.choice(others, training, replace=False)])
        for seen, shares in found.items():
            shares.append(float(first_steps(bundle, [series[row] for row in fold], seen)[:, 0].mean()))
    return {f"{name}_coverage_{seen}": float(np.mean(shares)) for seen, shares in found.items()}


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--place", choices=("first", "random"), default="first", help="where a series is shown from")
    options.add_argument("--folds", choices=("mixed", "neighbours"), default="mixed", help="how series are left out")
    chosen = options.parse_args()
    series = read()
    figures = across_folds(series, chosen.folds, chosen.place) | from_few(series, "few", 5) | from_few(series, "one", 1)
    table = [["values seen", "80 % interval holds", "width over last value"]]
    table += [[str(seen), f"{figures[f'coverage_{seen}']:.1%}", f"{figures[f'width_{seen}']:.2%}"] for seen in SEEN]
    finish("cold_start", figures, table, chosen)


if __name__ == "__main__":
    command(main)
