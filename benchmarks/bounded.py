"""Memory and time of the commands that work on a large lake: none of them holds the lake, however long it is.

A lake of hourly series is written directly, and two networks with random weights are registered: the first as if it was
trained a month ago, so that the promotion gate has to roll it through the second one's origins. Then each command runs
in a process of its own: `promote` of the second, `monitor`, `ingest` of six new hours of every series, `rollback`.
MLflow's mirror is off.

    python -m benchmarks.bounded --series 5000 --rows 20000

--json prints the seconds of each whole process, promote_s, monitor_s, ingest_s and rollback_s; its peak memory with
mapped files, promote_peak_kb, monitor_peak_kb, ingest_peak_kb and rollback_peak_kb; and lake_rows, lake_bytes,
lake_files, lake_s (writing the lake). --check compares them with their bounds, which are those of the sizes above.
"""

from forecasting.kernel.threads import prepare

prepare()

import argparse  # noqa: E402  the processor's kernels are chosen before NumPy loads
import os  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402
from tempfile import TemporaryDirectory  # noqa: E402

import numpy as np  # noqa: E402
import polars as pl  # noqa: E402
import torch  # noqa: E402

from benchmarks.support.peak import rollcast  # noqa: E402
from benchmarks.support.run import Figures, command, finish_parts, parser, positive  # noqa: E402
from benchmarks.support.store import CONFIG, network  # noqa: E402
from data.grid.durations import HOUR  # noqa: E402
from data.grid.grid import Grid  # noqa: E402
from data.lake import commits  # noqa: E402
from data.schema import SERIES, TIME, VALUE  # noqa: E402
from data.settings import load_settings  # noqa: E402
from data.spill import Spill  # noqa: E402
from data.store import catalogue  # noqa: E402
from data.store.catalogue import Dataset  # noqa: E402
from forecasting.evaluation.long_roll import NO_HIDDEN_STATE  # noqa: E402
from forecasting.evaluation.validation import sampled, tail_lengths  # noqa: E402
from pipelines.history.ends import read_ends  # noqa: E402
from pipelines.models import model_store  # noqa: E402
from pipelines.models.evidence import Evidence  # noqa: E402
from pipelines.workspace import Workspace, open_workspace  # noqa: E402

FIRST = 262_968  # grid step of the first row: hours from 1970 to the year 2000
MONTH = 720  # hours since the first network was trained
NEW = 6  # hours of the file
TOGETHER = 50  # series that are made at once


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--series", type=positive, default=5_000)
    options.add_argument("--rows", type=positive, default=20_000, help="of each series")
    chosen = options.parse_args()
    with TemporaryDirectory(prefix="rollcast-bounded-") as folder:
        finish_parts("bounded", measure(Path(folder), chosen), chosen)


def measure(home: Path, chosen: argparse.Namespace) -> dict[str, Figures]:
    """The figures of each command."""
    os.environ["ROLLCAST_MLFLOW"] = "false"  # of this process and of the commands
    workspace = open_workspace(load_settings(home=home))
    figures = {"lake": make_lake(workspace, chosen.series, chosen.rows)}
    dataset = catalogue.dataset(workspace.engine, "plant")
    old, new = (register(workspace, dataset, ago) for ago in (MONTH, 0))
    rollcast(home, "promote", "plant", "--version", f"{old}")
    source = write_file(home / "new.parquet", chosen.series, chosen.rows)
    commands = {
        "promote": ("promote", "plant", "--version", f"{new}"),
        "monitor": ("monitor", "plant"),
        "ingest": ("ingest", str(source), "--dataset", "plant"),
        "rollback": ("rollback", "plant"),
    }
    for name, words in commands.items():
        taken, _ = rollcast(home, *words)
        figures[name] = {f"{name}_{what}": value for what, value in taken.items()}
    return figures


def make_lake(workspace: Workspace, series: int, rows: int) -> Figures:
    """One commit with every row, as an ingest writes it."""
    begun = time.perf_counter()
    grid = Grid("1h")
    dataset = catalogue.put_dataset(workspace.engine, "plant", grid=grid, season=24, horizon=48, target="value")
    ids = [unique_id(number) for number in range(series)]
    catalogue.ensure_series(workspace.engine, dataset.id, ids)
    with TemporaryDirectory(prefix="rollcast-bounded-", dir=workspace.settings.home) as name:
        spill = Spill(Path(name) / "rows")
        for start in range(0, series, TOGETHER):
            spill.add(frame_of(range(start, min(start + TOGETHER, series)), 0, rows))
        workspace.lake.extend(dataset.id, spill, Path(name) / "scratch")
    commits.record(workspace.engine, dataset.id, workspace.lake.path(dataset.id))
    read_ends(workspace, dataset)
    files = workspace.lake.active(dataset.id)
    return {
        "lake_rows": series * rows,
        "lake_bytes": sum(files.values()),
        "lake_files": len(files),
        "lake_s": time.perf_counter() - begun,
    }


def unique_id(number: int) -> str:
    return f"line-{number % 97:02}/sensor-{number:06}"


def frame_of(numbers: range, start: int, stop: int) -> pl.DataFrame:
    """Rows `start` to `stop` of some series: a noisy daily season around a level of its own."""
    steps = np.arange(start, stop)
    rng = np.random.default_rng([numbers.start, start])
    noise = rng.standard_normal((len(numbers), len(steps)))
    values = 50 + np.array(numbers)[:, None] % 7 + 3 * np.sin(2 * np.pi * steps / 24) + noise
    names = pl.Series(SERIES, [unique_id(number) for number in numbers])
    column = names.gather(np.repeat(np.arange(len(numbers)), len(steps)))
    stamps = np.tile((FIRST + steps) * HOUR, len(numbers))
    return pl.DataFrame([column, pl.Series(TIME, stamps), pl.Series(VALUE, values.round(3).ravel())])


def write_file(path: Path, series: int, rows: int) -> Path:
    """The hours after the lake's last."""
    frame = pl.concat(
        [frame_of(range(at, min(at + TOGETHER, series)), rows, rows + NEW) for at in range(0, series, TOGETHER)]
    )
    stamps = pl.from_epoch(TIME, time_unit="us").dt.replace_time_zone("UTC")
    frame.with_columns(stamps).rename({VALUE: "value"}).write_parquet(path)
    return path


def register(workspace: Workspace, dataset: Dataset, ago: int) -> int:
    """A network with random weights and the evidence of one that was trained so many hours ago and is good."""
    torch.manual_seed(ago)
    ends = read_ends(workspace, dataset)
    lengths = ends.lengths - ago
    units = len(sampled(len(ends)))
    good, poor = {"coverage_80": 0.8, "mase": 0.3, "wql": 0.01}, {"coverage_80": 0.8, "mase": 1.0, "wql": 0.03}
    evidence = Evidence(
        series=ends.series.tolist(),
        first=ends.first.tolist(),
        last=(ends.last - ago).tolist(),
        tail=tail_lengths(lengths, CONFIG.horizon).tolist(),
        horizon=CONFIG.horizon,
        origins=4,
        scores={CONFIG.kind: good, "naive": poor, "seasonal_naive": poor},
        errors={CONFIG.kind: [0.3] * units, "naive": [1.0] * units, "seasonal_naive": [1.0] * units},
        long_roll=NO_HIDDEN_STATE,
    )
    bundle = network()
    manifest = {**bundle.manifest, **evidence.to_manifest()}
    made = type(bundle)(bundle.config, bundle.weights, bundle.calibration, manifest)
    return model_store.register(workspace, dataset, made, evidence.scores)


if __name__ == "__main__":
    command(main)
