"""ETTh1 as in the literature: 7 columns, every window of the test rows, MSE and MAE in units of the train rows.

The columns become 7 series, and one model is trained on all of them for each horizon; with --shared one for the longest
horizon, whose first steps are the forecasts of the shorter ones. Forecasts are made at every origin from the last row
before the test part on whose horizon lies within the test part. The state has read all rows before its origin, and is
rolled from one origin to the next. With --rehearse the val rows are scored instead of the test rows, which are not
read, to compare changes without the test part; no figure is compared with a bound then. Errors of a column are divided
by the standard deviation of its train rows, then averaged over windows, steps and columns: MSE of the forecast's mean,
MAE of its median. The rows after the test part stay unused. Needs etth1.parquet in the folder ROLLCAST_DATA (default
../shared/data).

Keys of --json, for each horizon H, such as mse_96: mse_H, mae_H, coverage_80_H, coverage_95_H, seconds_H and steps_H
(of training), long_roll_H and long_roll_passed_H (as `benchmarks.competition` has them), each the mean over seeds, with
mse_least_H, mse_most_H and so on; coverage_80_low_H, coverage_80_high_H and the same for 95 (95 % confidence interval;
forecasts that do not overlap taken as independent), n_H (values scored), last_value_mse_H, last_value_mae_H,
last_day_mse_H, last_day_mae_H; model, seeds, minutes (null: the product's default), shared, rehearse.
"""

from forecasting.kernel.threads import prepare

prepare()

import argparse  # noqa: E402  the processor's kernels are chosen before NumPy loads
from collections.abc import Iterator, Sequence  # noqa: E402
from dataclasses import dataclass  # noqa: E402

import numpy as np  # noqa: E402
import polars as pl  # noqa: E402

from benchmarks.support import loop, spread  # noqa: E402
from benchmarks.support.columns import melted  # noqa: E402
from benchmarks.support.published import peers  # noqa: E402
from benchmarks.support.run import Figures, add_training, command, finish, numbers, parser  # noqa: E402
from benchmarks.support.thresholds import asked  # noqa: E402
from data.errors import InvalidInput  # noqa: E402
from data.formats.options import SourceOptions  # noqa: E402
from data.schema import SPLIT  # noqa: E402
from forecasting import quantiles  # noqa: E402
from forecasting.evaluation import backtest as engine  # noqa: E402
from forecasting.panel import Panel  # noqa: E402
from forecasting.rolling.bundle import Bundle  # noqa: E402
from forecasting.rolling.roller import Roller  # noqa: E402
from pipelines.console import say  # noqa: E402
from pipelines.history.history import History, read_history  # noqa: E402
from pipelines.ingestion.ingest import ingest  # noqa: E402
from pipelines.models import model_store  # noqa: E402
from pipelines.training.train import TrainRequest  # noqa: E402
from pipelines.workspace import Workspace  # noqa: E402

FILE, COLUMNS = "etth1.parquet", ("HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "y")
DAY, HORIZONS = 24, (96, 192, 336, 720)
LAGS = {"last_value": 1, "last_day": DAY}
LABELS = {"mse": "MSE", "mae": "MAE", "seconds": "seconds of training", "steps": "steps"}
LABELS |= {"long_roll": "rolled 10 chunks, over fresh"}


@dataclass(frozen=True)
class Part:
    """The columns up to the end of the test part, (7, T) in data units, of which the first `known` are before it;
    unit (7, 1) the standard deviation of the train rows."""

    panel: Panel
    values: np.ndarray
    known: int
    unit: np.ndarray

    def windows(self, horizon: int) -> Iterator[tuple[int, np.ndarray]]:
        """For every origin the number of known values, and the actual values (7, H)."""
        for stop in range(self.known, self.values.shape[1] - horizon + 1):
            yield stop, self.values[:, stop : stop + horizon]


class Errors:
    """Sums of errors over windows, steps and columns."""

    def __init__(self, unit: np.ndarray) -> None:
        self._unit, self.n = unit, 0
        self._sums = dict.fromkeys(("mse", "mae", "coverage_80", "coverage_95"), 0.0)

    def add_point(self, forecast: np.ndarray, actual: np.ndarray) -> None:
        """A forecast (7, H) without quantiles: it is its own mean and median."""
        self._add(actual, forecast, forecast)

    def add(self, forecast: np.ndarray, levels: tuple[float, ...], actual: np.ndarray) -> None:
        """Quantiles (7, H, L) at `levels`."""
        self._add(actual, quantiles.mean(forecast, levels), forecast[..., levels.index(0.5)])
        for name, low, high in (("coverage_80", 0.1, 0.9), ("coverage_95", 0.025, 0.975)):
            above = actual >= forecast[..., levels.index(low)]
            self._sums[name] += float((above & (actual <= forecast[..., levels.index(high)])).sum())

    def _add(self, actual: np.ndarray, mean: np.ndarray, median: np.ndarray) -> None:
        self._sums["mse"] += float((((actual - mean) / self._unit) ** 2).sum())
        self._sums["mae"] += float((np.abs(actual - median) / self._unit).sum())
        self.n += actual.size

    def figures(self) -> dict[str, float]:
        """Means over everything that was added."""
        return {name: total / self.n for name, total in self._sums.items()}


def repeated(part: Part, lag: int, horizon: int) -> dict[str, float]:
    """Errors of repeating the last `lag` values."""
    errors = Errors(part.unit)
    for stop, actual in part.windows(horizon):
        errors.add_point(part.values[:, stop - lag + np.arange(horizon) % lag], actual)
    return errors.figures()


def rolled(bundle: Bundle, part: Part, horizons: Sequence[int]) -> dict[int, dict[str, float]]:
    """Errors of a model at every origin, by horizon; its state is started once and rolled through all of them."""
    roller, rows = Roller(bundle), np.arange(len(part.panel))
    errors = {horizon: Errors(part.unit) for horizon in horizons}
    known = np.full(len(part.panel), part.known)
    state = engine.start(roller, part.panel, known)
    for stop, _ in part.windows(min(horizons)):
        if stop > part.known:
            engine.advance(roller, state, part.panel, known + (stop - 1 - part.known), known + (stop - part.known))
        forecast, _ = engine.answer(roller, state, rows)
        for horizon in horizons:
            actual = part.values[:, stop : stop + horizon]  # read only after the forecast
            if actual.shape[1] == horizon:
                errors[horizon].add(forecast[:, :horizon], bundle.config.levels, actual)
    return {horizon: found.figures() for horizon, found in errors.items()}


def read(place: Workspace, horizon: int, rehearse: bool = False) -> History:
    """The seven columns, ingested as a user would; to rehearse, with val in place of test."""
    source = melted(loop.DATA / FILE, COLUMNS, place.settings.home / "columns.parquet")
    if rehearse:
        known = pl.read_parquet(source).filter(pl.col(SPLIT) != "test")
        known.with_columns(pl.col(SPLIT).replace("val", "test")).write_parquet(source)
    ingest(place, str(source), "etth1", SourceOptions(freq="1h", tz="UTC", season=DAY, horizon=horizon))
    return read_history(place, "etth1")


def part_of(history: History) -> Part:
    """The part of a history that is scored. Raises InvalidInput without a split."""
    if history.splits is None or not history.splits["test"].all():
        raise InvalidInput("its columns have no test part", source=FILE)
    train, known = int(history.splits["train"][0]), int(history.fitted_lengths[0])
    panel = history.panel.head(history.fitted_lengths + history.splits["test"])
    values = panel.values.reshape(len(panel), -1)
    return Part(panel, values, known, values[:, :train].std(axis=1, keepdims=True))


def trained(
    horizon: int, scored: Sequence[int], chosen: argparse.Namespace
) -> dict[int, list[dict[str, float | None]]]:
    """Trains a model for `horizon` with each seed, in one new home: figures of each run, by the horizons it is scored
    on."""
    runs: dict[int, list[dict[str, float | None]]] = {h: [] for h in scored}
    with loop.workspace() as place:
        history = read(place, horizon, chosen.rehearse)
        part = part_of(history)
        for seed in chosen.seeds:
            request = TrainRequest("etth1", chosen.model, max_minutes=chosen.minutes, seed=seed)
            fitted = loop.fitted(place, request)
            bundle = model_store.load(place, history.dataset, fitted.version)
            for h, errors in rolled(bundle, part, scored).items():
                runs[h].append({**errors, "seconds": fitted.seconds, "steps": fitted.steps, **loop.long_roll(fitted)})
                say(f"etth1, horizon {h}, seed {seed}: MSE {errors['mse']:.3f}, MAE {errors['mae']:.3f}")
    return runs


def measure(chosen: argparse.Namespace) -> dict[int, Figures]:
    """Figures by horizon."""
    with loop.workspace() as place:
        part = part_of(read(place, max(chosen.horizons), chosen.rehearse))
    longest = max(chosen.horizons)
    models = {longest: chosen.horizons} if chosen.shared else {h: (h,) for h in chosen.horizons}
    runs = {h: found for fitted, scored in models.items() for h, found in trained(fitted, scored, chosen).items()}
    return {h: summary(part, h, runs[h]) for h in chosen.horizons}


def summary(part: Part, horizon: int, runs: list[dict[str, float | None]]) -> Figures:
    """All figures of one horizon."""
    figures, columns = spread.over_seeds(runs), len(part.values)
    windows = part.values.shape[1] - part.known - horizon + 1
    figures["n"] = columns * windows * horizon
    for name in ("coverage_80", "coverage_95"):
        low, high = spread.wilson(figures[name], columns * max(1, windows // horizon))
        figures |= {f"{name}_low": low, f"{name}_high": high}
    for name, lag in LAGS.items():
        errors = repeated(part, lag, horizon)
        figures |= {f"{name}_{measure}": errors[measure] for measure in ("mse", "mae")}
    return figures


def rows(found: dict[int, Figures], model: str) -> list[list[str]]:
    """The table: a measure of a horizon in each row."""
    table = [["H", "measure", model, "least – most", "last value", "last day", "published", "to reach", "stretch"]]
    for horizon, figures in found.items():
        name = f"etth1.{horizon}"
        for key, label in {**LABELS, **intervals(figures["n"])}.items():
            own = spread.number(figures[key])
            if f"{key}_low" in figures:
                own = spread.held(figures[key], figures[f"{key}_low"], figures[f"{key}_high"])
            simple = (spread.number(figures[f"{lag}_{key}"]) if f"{lag}_{key}" in figures else "" for lag in LAGS)
            most = spread.between(figures, key)
            table.append([str(horizon), label, own, most, *simple, peers(name, key), *asked(name, key)])
    return table


def intervals(n: int) -> dict[str, str]:
    """The labels of the coverages."""
    return {f"coverage_{percent}": f"{percent} % interval holds, n {n:,}" for percent in (80, 95)}


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--horizons", type=numbers, default=HORIZONS, help="comma-separated")
    options.add_argument("--shared", action="store_true", help="one model, for the longest of them")
    options.add_argument("--rehearse", action="store_true", help="score the val rows; do not read the test rows")
    add_training(options)
    chosen = options.parse_args()
    found = measure(chosen)
    figures: Figures = {f"{name}_{horizon}": value for horizon, own in found.items() for name, value in own.items()}
    figures |= {name: vars(chosen)[name] for name in ("model", "seeds", "minutes", "shared", "rehearse")}
    held_to = {} if chosen.rehearse else {f"etth1.{horizon}": own for horizon, own in found.items()}
    finish("etth1", figures, rows(found, chosen.model), chosen, held_to)


if __name__ == "__main__":
    command(main)
