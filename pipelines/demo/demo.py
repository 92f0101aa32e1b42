"""The whole loop in two minutes, from two raw files to a rolling forecast, in a home folder that is reset each time."""

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

from data.errors import Unavailable
from data.settings import Settings, load_settings
from data.sources.resolve import SourceOptions
from pipelines.console import print_json, print_table, progress, say
from pipelines.demo import live_demo
from pipelines.evaluation.backtest import BacktestRequest, backtest
from pipelines.file_lock import alone
from pipelines.flows.uvicorn_process import check_free, free_port, start_service, stop_service
from pipelines.ingestion.ingest import ingest
from pipelines.promotion.promote import promote
from pipelines.training.train import TrainRequest, train
from pipelines.workspace import Workspace, open_workspace

HOST, PORT = "127.0.0.1", 8000
SAMPLES = resources.files("data") / "samples"
ORIGINS = 200  # of each backtest
HELD_BACK = 24  # last rows of the sensor, sent over HTTP afterwards: two hours


@dataclass(frozen=True)
class DemoDataset:
    """One dataset of the demonstration."""

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
        train_minutes=40 / 60,
        held_back=HELD_BACK,
    ),
    DemoDataset(
        "stocks",
        "stocks.csv",
        SourceOptions(id_col="Ticker", time_col="Date", target_col="Adj Close", freq="XNYS"),
        train_minutes=25 / 60,
    ),
)


@dataclass(frozen=True)
class DemoScores:
    """How a dataset's promoted model did over the held-out fifth."""

    dataset: str
    model: str
    version: int
    mase: float
    skill: float
    coverage_80: float


def demo(once: bool, json: bool) -> None:
    """Show everything; then go on serving, unless `once`. Raises Unavailable when the port is taken."""
    began = time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as by Ctrl-C: the service is stopped with it
    if not once:
        check_free(HOST, PORT)
    settings = demo_settings()
    with alone(settings.home.with_suffix(".lock"), "a demo in this home folder"):
        run_demo(settings, once, json, began)


def run_demo(settings: Settings, once: bool, json: bool, began: float) -> None:
    """Every act, from an empty folder on."""
    shutil.rmtree(settings.home, ignore_errors=True)
    workspace = open_workspace(settings)
    standings = [run_dataset(workspace, act) for act in DATASETS]
    port = free_port() if once else PORT
    address = f"http://{HOST}:{port}"
    with running_service(settings, port) as process:
        rolled = live_demo.roll_forecast(address, DATASETS[0].name, read_held_back(DATASETS[0]))
        show(standings, rolled, address, round(time.monotonic() - began, 1), json)
        if not once:
            say(f"\nserving on {address} until Ctrl-C; {address}/docs describes every endpoint")
            wait_for_ctrl_c(process)


def demo_settings() -> Settings:
    """The user's settings, but for a home and a database that the demonstration may wipe."""
    home = load_settings().home / "demo"
    return load_settings(home=home, database_url=f"sqlite:///{home / 'live.db'}")


def run_dataset(workspace: Workspace, act: DemoDataset) -> DemoScores:
    """Ingest, train, backtest and promote one dataset."""
    result = ingest(workspace, str(raw_file(workspace, act)), act.name, act.options)
    say(f"{act.name}: {result.added} rows ingested")
    with progress(f"{act.name}: train lstm") as moved:
        trained = train(workspace, TrainRequest(act.name, "lstm", max_minutes=act.train_minutes, holdout=0.2), moved)
    say(f"{act.name}: lstm version {trained.version} trained, {trained.steps} steps in {trained.seconds:.0f} s")
    with progress(f"{act.name}: backtest") as moved:
        scored = backtest(workspace, BacktestRequest(act.name, last=0.2, origins=ORIGINS), moved, say)
    with progress(f"{act.name}: promote") as moved:
        promoted = promote(workspace, act.name, None, moved)
    say(f"{act.name}: {promoted.sentence}")
    figures = scored.metrics[promoted.model]
    return DemoScores(
        act.name, promoted.model, promoted.version, figures["mase"], figures["skill"], figures["coverage_80"]
    )


def raw_file(workspace: Workspace, act: DemoDataset) -> Path:
    """The bundled file, without the rows that will arrive live."""
    lines = (SAMPLES / act.file).read_text(encoding="utf-8").splitlines(keepends=True)
    path = workspace.settings.home / "raw" / act.file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(lines[: len(lines) - act.held_back]), encoding="utf-8")
    return path


def read_held_back(act: DemoDataset) -> list[live_demo.Arrival]:
    """The last rows of the bundled file, as a sensor would send them."""
    lines = (SAMPLES / act.file).read_text(encoding="utf-8").splitlines()[-act.held_back :]
    rows = (line.split(",") for line in lines)
    return [live_demo.Arrival(f"{stamp.replace(' ', 'T')}Z", float(value)) for stamp, value in rows]


@contextmanager
def running_service(settings: Settings, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The real service in a process of its own while the block runs."""
    process = start_service(settings, HOST, port)
    try:
        yield process
    finally:
        stop_service(process)


def show(standings: list[DemoScores], rolled: live_demo.DemoRoll, address: str, seconds: float, json: bool) -> None:
    """The table, one forecast, and how to go on by hand."""
    curls = live_demo.curl_lines(address, rolled)
    if json:
        print_json(
            {"datasets": [asdict(row) for row in standings], "live": asdict(rolled), "curl": curls, "seconds": seconds}
        )
        return
    print_table(
        ["dataset", "model", "mase", "skill", "coverage_80"],
        [score_row(row) for row in standings],
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
    return [row.dataset, row.model, row.mase, row.skill, row.coverage_80]


def wait_for_ctrl_c(process: subprocess.Popen[bytes]) -> None:
    """Until Ctrl-C, which is how one leaves. Raises Unavailable when the service ends by itself."""
    try:
        code = process.wait()
    except KeyboardInterrupt:
        say("stopped")
        return
    raise Unavailable(f"the service ended by itself (code {code}); run `rollcast serve` to see what it says")
