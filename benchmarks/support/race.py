"""A race over the same wall time: the product's `train --max-minutes`, then neuralforecast's LSTM."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from benchmarks.support import loop
from benchmarks.support.published import TASKS
from benchmarks.support.run import Figures
from data.errors import Unavailable
from data.formats.options import SourceOptions
from forecasting.accuracy import ErrorSums
from forecasting.config import LEVELS
from forecasting.evaluation import backtest as engine
from pipelines.console import say
from pipelines.evaluation.backtest import BacktestRequest, choose_origins, choose_part
from pipelines.history.history import History, read_history
from pipelines.ingestion.ingest import ingest
from pipelines.models import model_store
from pipelines.training.train import TrainRequest

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / ".venv-peers" / "bin" / "python"
ABSENT = "not installed: make peers"


def race(name: str, minutes: float, seed: int) -> Figures:
    """OWA and seconds of both on one set of M4; only of the product if the peer is not installed."""
    dataset, task = f"m4_{name}", TASKS[f"m4_{name}"]
    file = loop.DATA / f"{dataset}.parquet"
    with loop.workspace() as place:
        ingest(place, str(file), dataset, SourceOptions(freq="1", season=task.season, horizon=task.horizon))
        fitted = loop.fitted(place, TrainRequest(dataset, max_minutes=minutes, seed=seed))
        owa = loop.scored(place, BacktestRequest(dataset, ("lstm",), split="test"))["lstm"]["owa"]
        say(f"{dataset}: OWA {owa} after {fitted.seconds} s")
        figures = {f"{name}_owa": owa, f"{name}_seconds": fitted.seconds, f"{name}_steps": fitted.steps}
        if not PEERS.exists():
            return figures
        history = read_history(place, dataset)
        window = model_store.load(place, history.dataset, fitted.version).config.window
        peer = neuralforecast(file, task.horizon, window, minutes, seed)
        reached = owa_of(peer["forecasts"], history)
        say(f"{dataset}: neuralforecast {peer['version']} OWA {reached:.4g} after {peer['seconds']} s")
        return figures | {
            f"{name}_peer_owa": reached,
            f"{name}_peer_seconds": peer["seconds"],
            f"{name}_peer_steps": peer["steps"],
            "peer_version": peer["version"],
        }


def neuralforecast(file: Path, horizon: int, window: int, minutes: float, seed: int) -> Figures:
    """The output of the peer's script. Raises Unavailable with the last line of its errors if it fails."""
    words = {"horizon": horizon, "input-size": window, "seconds": minutes * 60, "seed": seed}
    script = Path(__file__).with_name("peer_neuralforecast.py")
    asked = [f"--{word}={value}" for word, value in words.items()]
    done = subprocess.run([PEERS, script, file, *asked], capture_output=True, text=True)
    if done.returncode != 0:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        raise Unavailable(f"neuralforecast failed on {file.name} ({last}); make its environment again: make peers")
    return Figures(json.loads(done.stdout.strip().splitlines()[-1]))


def owa_of(forecasts: Mapping[str, list[float]], history: History) -> float:
    """OWA of point forecasts, by series, on the test part, scored as those of the product."""
    season, horizon = history.dataset.season, history.dataset.horizon
    part = choose_part(history, BacktestRequest(history.dataset.name, split="test"))
    origins = choose_origins(part, horizon, 1)
    point = np.array([forecasts[name] for name in part.panel.ids])
    scores = ErrorSums.empty(len(part.panel), horizon, LEVELS)
    scores.add(np.repeat(point[..., None], len(LEVELS), -1), engine.actuals(part.panel, origins, 0, horizon))
    return float(scores.summary(engine.reference(part.panel, origins, season, horizon))["owa"])
