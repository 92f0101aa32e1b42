"""The shipped version, which needs no training, on every long file of a folder.

    python -m benchmarks.zeroshot FOLDER

`horizons.json` of the folder names horizon and season of each file: {"name": {"horizon": 6, "seasonality": 1}} for
name.parquet. Entries without a file are ignored; files without an entry are left out and named. Of `sensors` only the
5-minute series are read. The test part is that of the column `split`, or the last fifth, with an origin every horizon,
at most 200 of them. Series begin with the context before the first origin, as after an ingest, and are rolled from
origin to origin; nothing is fitted. Gaps are missing values.

Keys of --json: mase_over_seasonal_naive and wql_over_seasonal_naive, geometric means over the files of the ratio to
seasonal naive (WQL: to the same point forecast); mase_over_selector, to the expert that erred least in each series;
coverage_80 and coverage_95 over all values; worst_over_better, the highest ratio of MASE to the better of naive and
seasonal naive; for each file NAME_mase, NAME_wql, NAME_n, the same ratios and coverages, and NAME_phase_low and
NAME_phase_high, the lowest and highest coverage_80 of a phase of the season. With m4_hourly or m4_weekly also
NAME_cold_N_over_naive (MASE) and NAME_cold_N_coverage_80 after N = 1, 2, 4 … 64 values, and over all N
NAME_cold_over_naive (the highest), NAME_cold_coverage_low and NAME_cold_coverage_high. With etth1 etth1_mse_96 of its
seven columns in units of the train rows, as `benchmarks.etth1` has it; left_out names files.
"""

from forecasting.kernel.threads import prepare

prepare()

from pathlib import Path  # noqa: E402  the processor's kernels are chosen before NumPy loads

import numpy as np  # noqa: E402

from benchmarks.support import zeroshot_scores  # noqa: E402
from benchmarks.support.etth1_windows import mse_of_windows  # noqa: E402
from benchmarks.support.long_files import read_folder  # noqa: E402
from benchmarks.support.run import Figures, command, finish, parser  # noqa: E402
from benchmarks.support.thresholds import asked  # noqa: E402
from data.errors import InvalidInput  # noqa: E402

RATIOS, SELECTOR = ("mase_over_seasonal_naive", "wql_over_seasonal_naive"), "mase_over_selector"
COLD = ("m4_weekly", "m4_hourly")
ETT = "etth1"


def main() -> None:
    options = parser(__doc__)
    options.add_argument("folder", type=Path, metavar="FOLDER")
    chosen = options.parse_args()
    if not chosen.folder.is_dir():
        raise InvalidInput(f"{chosen.folder} is no folder; name one with long files and their horizons.json")
    files, left_out = read_folder(chosen.folder)
    by_file = {}
    for file in files:
        found = zeroshot_scores.figures(zeroshot_scores.score(file))
        if file.name in COLD:
            found |= zeroshot_scores.cold_figures(file)
        if file.name == ETT:
            found["mse_96"] = mse_of_windows(chosen.folder / f"{ETT}.parquet")
        by_file[file.name] = found
    pooled = together(list(by_file.values()))
    flat = {f"{name}_{key}": value for name, own in by_file.items() for key, value in own.items()}
    held_to = {"zeroshot": pooled} | {f"zeroshot.{name}": own for name, own in by_file.items()}
    finish("zeroshot", {**pooled, **flat, "left_out": left_out}, rows(pooled, by_file), chosen, held_to)


def together(found: list[Figures]) -> Figures:
    """The figures over all files."""
    weight = np.array([own["n"] for own in found], np.float64)
    pooled = {name: float(np.exp(np.mean(np.log([own[name] for own in found])))) for name in (*RATIOS, SELECTOR)}
    for name in ("coverage_80", "coverage_95"):
        pooled[name] = float(np.average([own[name] for own in found], weights=weight))
    return pooled | {"worst_over_better": max(own["mase_over_better"] for own in found)}


def rows(pooled: Figures, by_file: dict[str, Figures]) -> list[list[str]]:
    """The table: a line for each figure."""
    table = [["file", "figure", "measured", "reach", "stretch"]]
    for name, own in {"": pooled, **by_file}.items():
        benchmark = f"zeroshot.{name}" if name else "zeroshot"
        table += [[name or "all", key, f"{value:,.4g}", *asked(benchmark, key)] for key, value in own.items()]
    return table


if __name__ == "__main__":
    command(main)
