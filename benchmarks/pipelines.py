"""Pipelines at scale on one machine: ratios within one run, fixed seeds, stores made by the benchmark itself.

The model is a network of the product's default size (LSTM of 128, one layer, three members, window 168, 48 steps ahead)
with random weights: its cost does not depend on the weights. Parts, for --only:

ingest    a CSV of 10 million rows into the lake, checked and committed once, against bare Polars (`scan_csv` to a Delta
          table) on the same file; and its peak memory, which stays below the bound for any --rows
forecast  100,000 series × 48 steps × 9 quantiles into the lake: `warm` from the state snapshots that the service left
          and one later value of each series, `cold` from the contexts that promotion stored; each a whole process
backtest  1,000 origins × 414 series (the number of M4 hourly, whose series are too short for so many origins, so the
          series are noisy seasons): one pass of rolled states against states that are started at each origin from the
          context, which is timed at --sample of them and extrapolated

Keys of --json: ingest_rows, ingest_ours_rows_s and ingest_bare_rows_s (rows a second), ingest_ratio of the two,
ingest_ours_peak_mb (anonymous memory), ingest_ours_resident_mb (with mapped files), the same of bare; forecast_warm_s,
forecast_warm_peak_kb, the same for cold, forecast_rows, forecast_bytes (on disk); backtest_rolled_s, backtest_again_s
(extrapolated), backtest_sample (origins it was timed at), backtest_ratio, backtest_forecasts_per_second,
backtest_grown_kb (RAM beyond panel and libraries). --check compares a figure with its bound if its part was run.
"""

from forecasting.kernel.threads import prepare

prepare()

import argparse  # noqa: E402  the processor's kernels are chosen before NumPy loads
from collections.abc import Callable  # noqa: E402
from pathlib import Path  # noqa: E402
from tempfile import TemporaryDirectory  # noqa: E402

from benchmarks.support import ingest, issue, origins  # noqa: E402
from benchmarks.support.run import Figures, finish_parts, parser, words  # noqa: E402

RUN: dict[str, Callable[[Path, argparse.Namespace], Figures]] = {
    "ingest": lambda _, chosen: {f"ingest_{name}": value for name, value in ingest.measure(chosen.rows).items()},
    "forecast": lambda folder, chosen: issue.measure(folder, chosen.series),
    "backtest": lambda _, chosen: origins.measure(414, chosen.origins, chosen.sample),
}


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--only", type=words, help="comma-separated parts")
    options.add_argument("--rows", type=int, default=10_000_000, help="of the part ingest")
    options.add_argument("--series", type=int, default=100_000, help="of the part forecast")
    options.add_argument("--origins", type=int, default=1_000, help="of the part backtest")
    options.add_argument("--sample", type=int, default=20, help="origins at which contexts are read again")
    chosen = options.parse_args()
    asked_for = dict.fromkeys(chosen.only or RUN)
    unknown = [part for part in asked_for if part not in RUN]
    if unknown:
        options.error(f"there is no part {unknown[0]}; there are {', '.join(RUN)}")
    measured: dict[str, Figures] = {}
    for part in asked_for:
        with TemporaryDirectory(prefix="rollcast-pipelines-") as folder:
            measured[part] = RUN[part](Path(folder), chosen)
    finish_parts("pipelines", measured, chosen)


if __name__ == "__main__":
    main()
