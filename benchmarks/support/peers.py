"""One series, one new value, one forecast: our kernel, the same network in torch, and peers if installed."""

import json
import subprocess
from pathlib import Path

import numpy as np
import torch

from benchmarks.support.run import Figures, in_turns
from benchmarks.support.store import CONFIG, ORIGIN, contexts, network
from forecasting.config import ModelConfig
from forecasting.networks import networks
from forecasting.rolling.roller import Roller

PEERS = Path(".venv-peers/bin/python")
OTHERS = {"neuralforecast": "peer_predict.py", "darts": "peer_darts.py"}


def one_series(rounds: int, peers: Path = PEERS) -> Figures:
    """Microseconds of one step and forecast; torch with a kept state, and torch reading the context each time.

    peers: the Python that has the other libraries.
    """
    roller, context = Roller(network()), contexts(1)
    state = roller.start(context, np.array([ORIGIN]))
    clock = [ORIGIN]
    row = np.zeros(1, np.int64)

    def rolled() -> None:
        clock[0] += 1
        roller.fold(state, row, np.array([clock[0]]), np.array([50.0]))
        roller.forecast(state, row)

    single = ModelConfig(**{**CONFIG.to_dict(), "members": 1})
    members = [networks.Network(single).eval() for _ in range(CONFIG.members)]
    window, seen, gap = torch.from_numpy(context[:, -CONFIG.window :].copy()), torch.ones(1, 1), torch.zeros(1, 1)
    fresh, means = [member.fresh(1) for member in members], torch.zeros(1, CONFIG.memory)

    @torch.inference_mode()
    def kept() -> None:
        x, _, _ = networks.features(window, seen, gap, CONFIG, means)
        for member, held in zip(members, fresh, strict=True):
            median, increments, _ = member(x, held)
            networks.assemble(median, increments)

    steps = CONFIG.warmup + 1
    whole, all_seen, no_gap = torch.from_numpy(context.copy()), torch.ones(1, steps), torch.zeros(1, steps)
    all_means = torch.zeros(1, CONFIG.memory + steps - 1)

    @torch.inference_mode()
    def read_again() -> None:
        x, _, _ = networks.features(whole, all_seen, no_gap, CONFIG, all_means)
        for member, held in zip(members, fresh, strict=True):
            member(x, held)

    taken = in_turns({"ours": (rolled, 50), "torch": (kept, 30), "again": (read_again, 3)}, rounds)
    found: Figures = {f"one_{name}_us": float(np.median(values) * 1e6) for name, values in taken.items()}
    return found | {f"one_{name}_us": predict(peers, script) for name, script in OTHERS.items()}


def predict(peers: Path, script: str) -> float | None:
    """Microseconds of a peer's own `predict` for one series; None if it is not installed."""
    if not peers.exists():
        return None
    path = Path(__file__).with_name(script)
    done = subprocess.run([peers, path], capture_output=True, text=True, check=False, timeout=600)
    if "ModuleNotFoundError" in done.stderr:
        return None
    done.check_returncode()
    return float(json.loads(done.stdout.splitlines()[-1])["predict_us"])
