"""Compares settings without the test part: networks after N steps, scored on the end of the training part.

    python -m benchmarks.trials FILE --horizon H --season M --steps N --set mixed=0 --set dropout=0.5,num_layers=2

The part marked test is not read. Of the rest, the last `--hold-out` steps of each series (two horizons by default, or
the part marked val) are held out, and networks are trained on the values before: first one with the usual settings,
then one for each --set, which can name any field of `TrainingDefaults` and `ModelConfig` in `forecasting/`. There is no
calibration and no choice of the number of steps: one network after N steps for each seed, and the mean of them all.

Keys of --json, for `usual` and for each --set under its own text: TEXT_owa, mase, wql, mse_mean (mean squared error
of the forecast's mean in units of each series' deviation), coverage_80, coverage_95, each the mean over seeds, with
_least and _most, and _together for the average of the seeds' quantiles; seconds (of training).
"""

from forecasting.kernel.threads import prepare

prepare()

import argparse  # noqa: E402  the processor's kernels are chosen before NumPy loads
import ast  # noqa: E402
import time  # noqa: E402
from collections.abc import Mapping, Sequence  # noqa: E402
from dataclasses import dataclass, fields, replace  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402

from benchmarks.support import loop, spread  # noqa: E402
from benchmarks.support.columns import melted  # noqa: E402
from benchmarks.support.run import Figures, command, finish, numbers, parser, positive, words  # noqa: E402
from data.errors import InvalidInput  # noqa: E402
from data.formats.options import SourceOptions  # noqa: E402
from forecasting import quantiles  # noqa: E402
from forecasting.accuracy import ErrorSums, Reference  # noqa: E402
from forecasting.config import LEVELS, NETWORKS, ModelConfig  # noqa: E402
from forecasting.evaluation.backtest import Origins, evaluate, reference, rolling_origins  # noqa: E402
from forecasting.panel import Panel  # noqa: E402
from forecasting.rolling.conformal import Calibration  # noqa: E402
from forecasting.training.auto_config import choose  # noqa: E402
from forecasting.training.fit_network import TrainingSpec, fit_single  # noqa: E402
from forecasting.training.training_defaults import DEFAULTS, TrainingDefaults  # noqa: E402
from pipelines.console import progress, say  # noqa: E402
from pipelines.history.history import read_history  # noqa: E402
from pipelines.ingestion.ingest import ingest  # noqa: E402
from pipelines.training.train import quiet_lightning  # noqa: E402

MEASURES = ("owa", "mase", "wql", "mse_mean", "coverage_80", "coverage_95")
Forecasts = list[tuple[np.ndarray, np.ndarray]]  # of each origin: quantiles (n, H, L), actual values (n, H)


@dataclass(frozen=True)
class Stage:
    """The data of every trial: the past for training, the whole, and the origins and divisors of the scores."""

    panel: Panel
    past: Panel
    origins: Origins
    against: Reference
    season: int
    horizon: int

    @property
    def deviation(self) -> np.ndarray:
        """(n, 1) standard deviation of each series' past."""
        return np.array([[np.nanstd(self.past.series(i)) or 1.0] for i in range(len(self.past))])


def staged(file: Path, chosen: argparse.Namespace) -> Stage:
    """Reads a file and holds out the end of its training part. Raises InvalidInput if nothing is left of a series."""
    with loop.workspace() as place:
        source = melted(file, chosen.columns, place.settings.home / "columns.parquet") if chosen.columns else file
        options = SourceOptions(freq=chosen.freq, season=chosen.season, horizon=chosen.horizon, tz="UTC")
        ingest(place, str(source), "trial", options)
        history = read_history(place, "trial")
    panel = history.panel.head(history.fitted_lengths)
    held = np.full(len(panel), chosen.hold_out or 2 * chosen.horizon)
    if history.splits is not None and not chosen.hold_out:
        held = np.where(history.splits["val"] > 0, history.splits["val"], held)
    known = panel.lengths - held
    if (known < 2).any():
        raise InvalidInput("--hold-out leaves nothing of the shortest series; hold fewer steps out", source=str(file))
    origins = rolling_origins(panel, known, chosen.horizon, chosen.origins)
    against = reference(panel, origins, chosen.season, chosen.horizon)
    return Stage(panel, panel.head(known), origins, against, chosen.season, chosen.horizon)


def settings(text: str) -> dict[str, Any]:
    """The settings of one --set. Raises ArgumentTypeError for an unknown setting."""
    known = {field.name for of in (TrainingDefaults, ModelConfig) for field in fields(of)}
    found = {}
    for pair in text.split(","):
        name, _, value = pair.partition("=")
        if name not in known or not value:
            raise argparse.ArgumentTypeError(f"{pair!r} is no setting=value of {', '.join(sorted(known))}")
        found[name] = ast.literal_eval(value)
    return found


def tried(stage: Stage, changed: Mapping[str, Any], chosen: argparse.Namespace, name: str) -> Figures:
    """Figures of one group of settings over all seeds."""
    own = {field.name for field in fields(TrainingDefaults)}
    defaults = replace(DEFAULTS, **{key: value for key, value in changed.items() if key in own})
    config = choose(stage.past, chosen.model, stage.season, stage.horizon).config
    config = replace(config, **{key: value for key, value in changed.items() if key not in own})
    runs, answers = [], []
    for seed in chosen.seeds:
        began = time.monotonic()
        spec = TrainingSpec(chosen.model, stage.season, stage.horizon, steps=chosen.steps, seed=seed, defaults=defaults)
        with progress(f"{name}, seed {seed}") as moved:
            bundle = fit_single(
                stage.past, config, spec, chosen.steps, lambda _, done, total: moved(done, total, "train")
            )
        seconds = time.monotonic() - began
        bundle = replace(bundle, calibration=Calibration(Calibration.neutral(config).factors, rate=0.0))
        answers.append(forecasts(stage, bundle))
        runs.append({**measured(stage, answers[-1]), "seconds": seconds})
        say(f"{name}, seed {seed}: " + ", ".join(f"{m} {spread.number(runs[-1][m])}" for m in MEASURES))
    together = measured(stage, averaged(answers))
    return {**spread.over_seeds(runs), **{f"{key}_together": value for key, value in together.items()}}


def forecasts(stage: Stage, bundle: Any) -> Forecasts:
    """The forecasts of a network at every origin, and the actual values."""
    found: Forecasts = []
    evaluate(bundle, stage.panel, stage.origins, watch=lambda _, forecast, actual: found.append((forecast, actual)))
    return found


def averaged(answers: Sequence[Forecasts]) -> Forecasts:
    """The mean of several networks' quantiles."""
    return [
        (np.mean([forecast for forecast, _ in at_origin], axis=0), at_origin[0][1])
        for at_origin in zip(*answers, strict=True)
    ]


def measured(stage: Stage, answers: Forecasts) -> dict[str, float | None]:
    """Every measure of forecasts at all origins."""
    scores = ErrorSums.empty(len(stage.panel), stage.horizon, LEVELS)
    squared = []
    for forecast, actual in answers:
        scores.add(forecast, actual)
        mean = np.stack([quantiles.mean(of_series, LEVELS) for of_series in forecast])
        squared.append(((mean - actual) / stage.deviation) ** 2)
    summary = scores.summary(stage.against)
    return {name: summary[name] for name in MEASURES if name in summary} | {"mse_mean": float(np.nanmean(squared))}


def rows(found: Mapping[str, Figures], seeds: Sequence[int]) -> list[list[str]]:
    """The table: a group of settings in each row."""
    table = [["settings", *MEASURES, "seconds", *([] if len(seeds) == 1 else ["together: owa", "wql"])]]
    for name, figures in found.items():
        own = [spread.number(figures[key]) for key in (*MEASURES, "seconds")]
        both = [] if len(seeds) == 1 else [spread.number(figures[f"{key}_together"]) for key in ("owa", "wql")]
        table.append([name, *own, *both])
    return table


def main() -> None:
    options = parser(__doc__)
    options.add_argument("file", type=Path, metavar="FILE")
    options.add_argument("--horizon", type=int, required=True, help="steps to forecast")
    options.add_argument("--season", type=int, required=True, help="steps of a season; 1 when there is none")
    options.add_argument("--freq", help="such as 1h, 1d, 1 for integer steps; else inferred")
    options.add_argument("--columns", type=words, help="comma-separated; forecast these, each as a series")
    options.add_argument("--steps", type=positive, default=300, help="of each training")
    options.add_argument("--set", type=settings, action="append", default=[], help="name=value, several with commas")
    options.add_argument("--hold-out", type=positive, help="steps of each series that are held out")
    options.add_argument("--origins", type=positive, default=4, help="origins at which forecasts are scored")
    options.add_argument("--seeds", type=numbers, default=(0,), help="comma-separated; one training for each")
    options.add_argument("--model", default="lstm", choices=NETWORKS, help="lstm, gru, rnn, mlp or cnn")
    chosen = options.parse_args()
    quiet_lightning()
    stage = staged(chosen.file, chosen)
    groups: dict[str, Mapping[str, Any]] = {"usual": {}}
    groups |= {",".join(f"{key}={value}" for key, value in changed.items()): changed for changed in chosen.set}
    found = {name: tried(stage, changed, chosen, name) for name, changed in groups.items()}
    figures = {f"{name}_{key}": value for name, own in found.items() for key, value in own.items()}
    finish("trials", figures, rows(found, chosen.seeds), chosen)


if __name__ == "__main__":
    command(main)
