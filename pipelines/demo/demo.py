"""`rollcast demo`: from two raw files to a rolling forecast in a minute, in a home that is emptied first."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from data.errors import AlreadyRunning, GateRefused, Unavailable
from data.files import file_lock
from data.formats.options import SourceOptions
from data.settings import Settings, load_settings
from pipelines.console import print_json, print_table, progress, say
from pipelines.demo import live_demo
from pipelines.evaluation.backtest import BacktestRequest, backtest
from pipelines.flows.uvicorn_process import check_free, free_port, start_service, stop_service
from pipelines.ingestion.ingest import ingest
from pipelines.promotion.promote import promote
from pipelines.reports.terminal import rivals_text
from pipelines.training.train import TrainRequest, train
from pipelines.upkeep import inspection
from pipelines.workspace import Workspace, open_workspace

HOST, PORT = "127.0.0.1", 8000
SAMPLES = resources.files("data") / "samples"
ORIGINS = 200  # of each backtest
HELD_BACK = 24  # last rows of the sensor, two hours, which are sent over HTTP at the end


@dataclass(frozen=True)
class DemoDataset:
    """One dataset of the demo. held_back: last rows that are not ingested, but sent over HTTP."""

    name: str
    file: str
    options: SourceOptions
    train_minutes: float
    held_back: int = 0


DATASETS = (
    DemoDataset(
        "machine_temperature",
        "machine_temperature_system_failure.csv",
        SourceOptions(freq="5m", tz="UTC", season=288, horizon=12, series="machine_temperature"),
        train_minutes=20 / 60,
        held_back=HELD_BACK,
    ),
    DemoDataset(
        "stocks",
        "stocks.csv",
        SourceOptions(id_col="Ticker", time_col="Date", target_col="Adj Close", freq="XNYS"),
        train_minutes=12 / 60,
    ),
)


@dataclass(frozen=True)
class DemoScores:
    """Scores of a dataset's promoted model over the held-out fifth."""

    dataset: str
    model: str
    version: int
    mase: float
    skill: float
    rival: str  # what skill is against: each series' own rival, where they have several
    coverage_80: float


def demo(once: bool, json: bool) -> None:
    """Run the demo, then serve until Ctrl-C unless `once`. Raises Unavailable when the port is taken."""
    began = time.monotonic()
    signal.signal(
        signal.SIGTERM, signal.default_int_handler
    )  # SIGTERM acts as Ctrl-C, so that the service is stopped too
    if not once:
        check_free(HOST, PORT)
    settings = demo_settings()
    with file_lock(settings.home.with_suffix(".lock"), AlreadyRunning("a demo in this home folder")):
        run_demo(settings, once, json, began)


def run_demo(settings: Settings, once: bool, json: bool, began: float) -> None:
    """Empty the home, run every dataset, start the service and send it observations. began: of time.monotonic()."""
    shutil.rmtree(settings.home, ignore_errors=True)
    workspace = open_workspace(settings)
    scores = [run_dataset(workspace, dataset) for dataset in DATASETS]
    port = free_port() if once else PORT
    address = f"http://{HOST}:{port}"
    with running_service(settings, port) as process:
        rolled = live_demo.roll_forecast(address, DATASETS[0].name, read_held_back(DATASETS[0]))
        show(scores, rolled, address, round(time.monotonic() - began, 1), json)
        if not once:
            say(f"\nserving on {address} until Ctrl-C; {address}/docs describes every endpoint")
            wait_for_ctrl_c(process)


def demo_settings() -> Settings:
    """The user's settings with a home and a database of the demo, which it may delete."""
    home = load_settings().home / "demo"
    return load_settings(home=home, database_url=f"sqlite:///{home / 'live.db'}")


def run_dataset(workspace: Workspace, dataset: DemoDataset) -> DemoScores:
    """Ingest, train, backtest and promote one dataset."""
    result = ingest(workspace, str(raw_file(workspace, dataset)), dataset.name, dataset.options)
    say(f"{dataset.name}: {result.added} rows ingested")
    with progress(f"{dataset.name}: train lstm") as on_progress:
        trained = train(
            workspace, TrainRequest(dataset.name, "lstm", max_minutes=dataset.train_minutes, holdout=0.2), on_progress
        )
    say(f"{dataset.name}: lstm version {trained.version} trained, {trained.steps} steps in {trained.seconds:.0f} s")
    with progress(f"{dataset.name}: backtest") as on_progress:
        scored = backtest(workspace, BacktestRequest(dataset.name, last=0.2, origins=ORIGINS), on_progress, say)
    model, version = decide(workspace, dataset.name)
    if model not in scored.metrics:  # a seasonal naive at a cycle that the longer past does not show
        request = BacktestRequest(dataset.name, (model,), last=0.2, origins=ORIGINS)
        scored = backtest(workspace, request, lambda *_: None, say)
    figures = scored.metrics[model]
    return DemoScores(
        dataset.name,
        model,
        version,
        figures["mase"],
        figures["skill"],
        rivals_text(scored.rivals),
        figures["coverage_80"],
    )


def decide(workspace: Workspace, name: str) -> tuple[str, int]:
    """Put the network before the promotion gate; gives the model that serves then, and its version."""
    try:
        with progress(f"{name}: promote") as on_progress:
            promoted = promote(workspace, name, None, on_progress)
    except GateRefused as refusal:  # the model that ships with Rollcast is as good
        say(f"{name}: {refusal}")
        champion = next(row for row in inspection.versions(workspace, name) if row["served"])
        return str(champion["model"]), int(champion["version"])
    say(f"{name}: {promoted.sentence}")
    return promoted.model, promoted.version


def raw_file(workspace: Workspace, dataset: DemoDataset) -> Path:
    """Write the bundled file without the held-back rows; returns its path."""
    lines = (SAMPLES / dataset.file).read_text(encoding="utf-8").splitlines(keepends=True)
    path = workspace.settings.home / "raw" / dataset.file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(lines[: len(lines) - dataset.held_back]), encoding="utf-8")
    return path


def read_held_back(dataset: DemoDataset) -> list[live_demo.Arrival]:
    """The held-back rows, as a sensor would send them."""
    lines = (SAMPLES / dataset.file).read_text(encoding="utf-8").splitlines()[-dataset.held_back :]
    rows = (line.split(",") for line in lines)
    return [live_demo.Arrival(f"{stamp.replace(' ', 'T')}Z", float(value)) for stamp, value in rows]


@contextmanager
def running_service(settings: Settings, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The service in a process of its own while the block runs."""
    process = start_service(settings, HOST, port)
    try:
        yield process
    finally:
        stop_service(process)


def show(scores: list[DemoScores], rolled: live_demo.DemoRoll, address: str, seconds: float, json: bool) -> None:
    """Print the scores, one forecast, and commands to continue by hand."""
    curls = live_demo.curl_lines(address, rolled)
    if json:
        print_json(
            {"datasets": [asdict(row) for row in scores], "live": asdict(rolled), "curl": curls, "seconds": seconds}
        )
        return
    print_table(
        ["dataset", "model", "mase", "skill", "skill against", "coverage_80"],
        [score_row(row) for row in scores],
        "last fifth of each dataset",
    )
    print_table(
        ["ahead", "forecast", "80 % from", "to"],
        rolled.preview,
        f"{rolled.series} after {rolled.origin}, rolled by {rolled.observed} observations",
    )
    say("\n".join(curls))
    say(f"everything above took {seconds:.0f} s")


def score_row(row: DemoScores) -> list[Any]:
    """A row of the table."""
    return [row.dataset, row.model, row.mase, row.skill, row.rival, row.coverage_80]


def wait_for_ctrl_c(process: subprocess.Popen[bytes]) -> None:
    """Wait until Ctrl-C. Raises Unavailable when the service ends by itself."""
    try:
        code = process.wait()
    except KeyboardInterrupt:
        say("stopped")
        return
    raise Unavailable(f"the service ended by itself (code {code}); run `rollcast serve` to see its messages")
