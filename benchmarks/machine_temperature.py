"""The bundled 5-minute sensor: horizons 12 and 72, last fifth as rolling origins, against naive and seasonal naive.

Everything is chosen and fitted on the first four fifths. One model for each horizon, trained for --minutes each.

Keys of --json, for h = 12 and 72: mase_H, naive_mase_H, seasonal_naive_mase_H, mase_H_over_naive,
mase_H_over_seasonal_naive, wql_H_over_naive, coverage_80_at_H, coverage_95_at_H, forecasts_H (values scored),
coverage_80_ci_H (half width of its 95 % interval, origins a horizon apart taken as independent), steps_H.
"""

from forecasting.kernel.threads import prepare

prepare()

from benchmarks.support import loop  # noqa: E402  the processor's kernels are chosen before NumPy loads
from benchmarks.support.run import Figures, finish, parser  # noqa: E402
from data.formats.options import SourceOptions  # noqa: E402
from pipelines.evaluation.backtest import BacktestRequest  # noqa: E402
from pipelines.training.train import TrainRequest  # noqa: E402

SOURCE = "data/samples/machine_temperature_system_failure.csv"
HORIZONS = (12, 72)


def measure(minutes: float, seed: int) -> Figures:
    figures: Figures = {"minutes": minutes, "seed": seed}
    for horizon in HORIZONS:
        options = SourceOptions(freq="5m", tz="UTC", season=288, horizon=horizon, series="machine_temperature")
        request = TrainRequest("machine_temperature", max_minutes=minutes, seed=seed, holdout=0.2)
        with loop.workspace() as place:
            fitted = loop.trained(place, SOURCE, options, request)
            scores = loop.scored(
                place, BacktestRequest("machine_temperature", ("lstm", "naive", "seasonal_naive"), last=0.2)
            )
        lstm, naive, seasonal = scores["lstm"], scores["naive"], scores["seasonal_naive"]
        share, independent = lstm["coverage_80"], max(1.0, lstm["n"] / horizon**2)
        figures |= {
            f"steps_{horizon}": fitted.steps,
            f"forecasts_{horizon}": lstm["n"],
            f"mase_{horizon}": lstm["mase"],
            f"naive_mase_{horizon}": naive["mase"],
            f"seasonal_naive_mase_{horizon}": seasonal["mase"],
            f"mase_{horizon}_over_naive": lstm["mase"] / naive["mase"],
            f"mase_{horizon}_over_seasonal_naive": lstm["mase"] / seasonal["mase"],
            f"wql_{horizon}_over_naive": lstm["wql"] / naive["wql"],
            f"coverage_80_at_{horizon}": share,
            f"coverage_80_ci_{horizon}": 1.96 * (share * (1 - share) / independent) ** 0.5,
            f"coverage_95_at_{horizon}": lstm["coverage_95"],
        }
    return figures


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--minutes", type=float, default=1.0, help="of training, for each horizon")
    options.add_argument("--seed", type=int, default=0)
    chosen = options.parse_args()
    figures = measure(chosen.minutes, chosen.seed)
    rows = [["horizon", "MASE", "naive", "seasonal naive", "over naive", "80 % coverage", "95 % coverage", "steps"]]
    for h in HORIZONS:
        coverage = f"{figures[f'coverage_80_at_{h}']:.3f} ± {figures[f'coverage_80_ci_{h}']:.3f}"
        numbers = (
            f"{figures[key]:.3f}"
            for key in (f"mase_{h}", f"naive_mase_{h}", f"seasonal_naive_mase_{h}", f"mase_{h}_over_naive")
        )
        rows.append([str(h), *numbers, coverage, f"{figures[f'coverage_95_at_{h}']:.3f}", str(figures[f"steps_{h}"])])
    finish("machine_temperature", figures, rows, chosen)


if __name__ == "__main__":
    main()
