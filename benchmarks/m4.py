"""M4 weekly and hourly, official test part: what `rollcast train --max-minutes` and `backtest --split test` reach.

Needs m4_weekly.parquet and m4_hourly.parquet in the folder ROLLCAST_DATA (default ../shared/data).

Keys of --json, for each set that was run: SET_owa, SET_mase, SET_smape, SET_wql, SET_coverage_80, SET_coverage_95,
SET_seasonal_naive_owa, SET_steps, SET_seconds (of training), and published_owa_SET for orientation.
"""

from forecasting.threads import prepare

prepare()

from benchmarks import _loop as loop  # noqa: E402  the processor's kernels are chosen before NumPy loads
from benchmarks._run import Figures, finish, parser  # noqa: E402
from data.sources import SourceOptions  # noqa: E402
from pipelines.backtest import BacktestRequest  # noqa: E402
from pipelines.train import TrainRequest  # noqa: E402

SETS = {
    "weekly": SourceOptions(freq="1", season=1, horizon=13),
    "hourly": SourceOptions(freq="1", season=24, horizon=48),
}
PUBLISHED = {"weekly": ("Forecast Pro", 0.739), "hourly": ("Doornik et al.", 0.410)}
MEASURES = ("owa", "mase", "smape", "wql", "coverage_80", "coverage_95")


def measure(name: str, minutes: float, seed: int, model: str) -> Figures:
    """Figures of one set."""
    dataset = f"m4_{name}"
    with loop.workspace() as place:
        request = TrainRequest(dataset, model, max_minutes=minutes, seed=seed)
        fitted = loop.trained(place, str(loop.DATA / f"{dataset}.parquet"), SETS[name], request)
        scores = loop.scored(place, BacktestRequest(dataset, (model, "seasonal_naive"), split="test"))
    return {
        **{f"{name}_{measure}": scores[model][measure] for measure in MEASURES},
        f"{name}_seasonal_naive_owa": scores["seasonal_naive"]["owa"],
        f"{name}_steps": fitted.steps,
        f"{name}_seconds": fitted.seconds,
        f"published_owa_{name}": PUBLISHED[name][1],
    }


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--sets", default="weekly", help="comma-separated: weekly, hourly")
    options.add_argument("--minutes", type=float, default=3.0, help="of training, for each set")
    options.add_argument("--model", default="lstm")
    options.add_argument("--seed", type=int, default=0)
    chosen = options.parse_args()
    figures: Figures = {"minutes": chosen.minutes, "seed": chosen.seed}
    rows = [["set", "OWA", "MASE", "sMAPE", "WQL", "80 %", "95 %", "seasonal naive", "best of M4", "seconds"]]
    for name in chosen.sets.split(","):
        figures |= measure(name, chosen.minutes, chosen.seed, chosen.model)
        numbers = [f"{figures[f'{name}_{measure}']:.4g}" for measure in MEASURES]
        best = f"{PUBLISHED[name][1]} {PUBLISHED[name][0]}"
        rows.append(
            [name, *numbers, f"{figures[f'{name}_seasonal_naive_owa']:.3f}", best, f"{figures[f'{name}_seconds']:.0f}"]
        )
    finish("m4", figures, rows, chosen)


if __name__ == "__main__":
    main()
