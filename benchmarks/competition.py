"""The accuracy of `rollcast train` on the test part of any long file with a `split` column.

    python -m benchmarks.competition FILE --horizon H --season M

FILE is Parquet or CSV with unique_id, ds or t, y and split (train, val, test or unused). It is ingested into an empty
home, trained on once for each seed, and scored by `backtest --split test`; training does not read the test part. Stamps
without an offset are read as UTC. With --columns each of these columns is forecast as a series.

Keys of --json: for owa, mase, smape, wql, msis, coverage_80, coverage_95 the mean over seeds under the measure's name,
MEASURE_least and MEASURE_most of them, seasonal_naive_MEASURE and naive_MEASURE; wql_low and wql_high (95 % confidence
interval over the series, the largest of which often hold most of it), coverage_80_low, coverage_80_high and the same
for 95 (see `benchmarks.support.spread`), n (values scored), series; seconds and steps of training, also with _least and
_most; long_roll (error of a state rolled for ten training chunks over a fresh one's, on the validation tail) and
long_roll_passed (share of seeds that pass the promotion gate); mase_over_seasonal_naive; model, seeds, minutes (null:
the product's default).
"""

from forecasting.kernel.threads import prepare

prepare()

import argparse  # noqa: E402  the processor's kernels are chosen before NumPy loads
import re  # noqa: E402
from collections.abc import Sequence  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402

from benchmarks.support import loop, spread  # noqa: E402
from benchmarks.support.columns import melted  # noqa: E402
from benchmarks.support.published import TASKS, peers  # noqa: E402
from benchmarks.support.run import Figures, add_training, command, finish, parser, words  # noqa: E402
from benchmarks.support.thresholds import asked  # noqa: E402
from data.errors import InvalidInput  # noqa: E402
from data.formats.options import SourceOptions  # noqa: E402
from pipelines.console import say  # noqa: E402
from pipelines.evaluation.backtest import BacktestRequest  # noqa: E402
from pipelines.history.history import read_history  # noqa: E402
from pipelines.ingestion.ingest import ingest  # noqa: E402
from pipelines.training.train import TrainRequest  # noqa: E402
from pipelines.workspace import Workspace  # noqa: E402

MEASURES = ("owa", "mase", "smape", "wql", "msis", "coverage_80", "coverage_95")
NAMES = {"owa": "OWA", "mase": "MASE", "smape": "sMAPE", "wql": "WQL", "msis": "MSIS"}
TRAINING = {"seconds": "seconds of training", "steps": "steps", "long_roll": "rolled 10 chunks, over fresh"}
LOW_HIGH = ("low", "high")
RIVALS = ("seasonal_naive", "naive")


def measure(
    file: Path, options: SourceOptions, chosen: argparse.Namespace, columns: Sequence[str] | None = None
) -> Figures:
    """Figures of one file: those of the model over all seeds, and those of the baselines."""
    dataset = re.sub(r"[^a-z0-9]+", "_", stem(file).lower()).strip("_") or "file"
    with loop.workspace() as place:
        source = melted(file, columns, place.settings.home / "columns.parquet") if columns else file
        ingest(place, str(source), dataset, options)
        counts = count(place, dataset, file)
        runs: list[Figures] = []
        scores: dict[str, Figures] = {}
        for seed in chosen.seeds:
            request = TrainRequest(dataset, chosen.model, max_minutes=chosen.minutes, seed=seed)
            fitted = loop.fitted(place, request)
            kinds = (chosen.model,) if scores else (chosen.model, *RIVALS)
            scores |= loop.scored(place, BacktestRequest(dataset, kinds, split="test"))
            runs.append(
                scores[chosen.model] | {"seconds": fitted.seconds, "steps": fitted.steps} | loop.long_roll(fitted)
            )
            say(f"{dataset}, seed {seed}: " + ", ".join(f"{m} {spread.number(runs[-1][m])}" for m in MEASURES))
    figures = spread.over_seeds(runs)
    return {
        **{key: value for key, value in figures.items() if key.startswith((*MEASURES, *TRAINING))},
        **{f"{rival}_{name}": scores[rival][name] for rival in RIVALS for name in MEASURES},
        **intervals(figures, counts),
        "mase_over_seasonal_naive": over(figures["mase"], scores["seasonal_naive"]["mase"]),
        "n": int(figures["n"]),
        "series": counts[0],
        "model": chosen.model,
        "seeds": list(chosen.seeds),
        "minutes": chosen.minutes,
    }


def count(place: Workspace, dataset: str, file: Path) -> tuple[int, int]:
    """Number of series, and of forecasts of the test part that do not overlap. Prints a note if a test part is shorter
    than the horizon. Raises InvalidInput without a test part."""
    history = read_history(place, dataset)
    if history.splits is None or not history.splits["test"].any():
        raise InvalidInput("no row is marked test in a column named split, so nothing can be scored", source=str(file))
    test = history.splits["test"][history.splits["test"] > 0]
    if (least := int(test.min())) < history.dataset.horizon:
        say(f"a test part has {least} steps, fewer than the horizon: of its forecasts only these are scored")
    return len(test), int(np.maximum(1, test // history.dataset.horizon).sum())


def intervals(figures: Figures, counts: tuple[int, int]) -> Figures:
    """The confidence interval of each coverage and of WQL."""
    found: Figures = {}
    for name in ("coverage_80", "coverage_95"):
        low, high = spread.sure_of(figures[name], figures[f"{name}_error"], *counts)
        found |= {f"{name}_low": low, f"{name}_high": high}
    least, most = spread.around(figures["wql"], figures["wql_error"], counts[0])
    return found | {"wql_low": least, "wql_high": most}


def over(figure: float | None, other: float | None) -> float | None:
    """The ratio of two figures; None where undefined."""
    return figure / other if figure is not None and other else None


def rows(figures: Figures, benchmark: str | None) -> list[list[str]]:
    """The table: a measure in each row, with published figures and bounds if the file is a known benchmark."""
    seeds = len(figures["seeds"])
    heads = [
        f"{figures['model']}, {'one seed' if seeds == 1 else f'mean of {seeds} seeds'}",
        "least – most",
        "seasonal naive",
        "naive",
    ]
    table = [["measure", *heads, *(["published", "to reach", "stretch"] if benchmark else [])]]
    for name in MEASURES:
        if name in NAMES:
            own, label = spread.number(figures[name]), NAMES[name]
            if figures.get(f"{name}_low") is not None:
                own += f" ({spread.between(figures, name, LOW_HIGH)})"
        else:
            own, label = spread.held(*(figures[name + end] for end in ("", "_low", "_high"))), interval(name, figures)
        rivals = (spread.number(figures[f"{rival}_{name}"]) for rival in RIVALS)
        known = [peers(benchmark, name), *asked(benchmark, name)] if benchmark else []
        table.append([label, own, spread.between(figures, name), *rivals, *known])
    for name, label in TRAINING.items():
        table.append([label, spread.number(figures[name]), spread.between(figures, name), *[""] * (len(table[0]) - 3)])
    return table


def interval(name: str, figures: Figures) -> str:
    """The label of a coverage."""
    return f"{name.removeprefix('coverage_')} % interval holds, n {figures['n']:,}"


def stem(file: Path) -> str:
    """A file's name without its endings."""
    return file.name.partition(".")[0]


def known(file: Path, horizon: int, season: int) -> str | None:
    """The known benchmark with this file name, horizon and season; None for any other."""
    task = TASKS.get(stem(file))
    return task.benchmark if task and (task.horizon, task.season) == (horizon, season) else None


def main() -> None:
    options = parser(__doc__)
    options.add_argument("file", type=Path, metavar="FILE")
    options.add_argument("--horizon", type=int, required=True, help="steps to forecast")
    options.add_argument("--season", type=int, required=True, help="steps of a season; 1 when there is none")
    options.add_argument("--freq", help="such as 1h, 1d, 1 for integer steps; else inferred")
    options.add_argument("--columns", type=words, help="comma-separated; forecast these, each as a series")
    add_training(options)
    chosen = options.parse_args()
    source = SourceOptions(freq=chosen.freq, season=chosen.season, horizon=chosen.horizon, tz="UTC")
    figures = measure(chosen.file, source, chosen, chosen.columns)
    benchmark = known(chosen.file, chosen.horizon, chosen.season) if chosen.columns is None else None
    held_to = {"competition": figures} | ({benchmark: figures} if benchmark else {})
    finish("competition", figures, rows(figures, benchmark), chosen, held_to)


if __name__ == "__main__":
    command(main)
