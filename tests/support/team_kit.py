"""A small training as a program of its own: Lightning starts its other processes by its command line.

python -m tests.support.team_kit FOLDER PROCESSES [kill|resume]: each process leaves what it ended each stage with
in FOLDER, and the first one what it fitted. With `kill` the first one dies in the middle, with `resume` it goes on
from there.
"""

import hashlib
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import torch

from forecasting.panel import Panel
from forecasting.training import fit_network, training_spec
from forecasting.training.devices import Hardware
from forecasting.training.fit_network import TrainingSpec, fit
from forecasting.training.module import ForecastModule
from tests.support.forecasting_kit import wave

STEPS, KILLED_AFTER = 12, 8


def main(folder: Path, processes: int, how: str = "") -> None:
    """Train, and tell."""
    torch.set_num_threads(1)
    fit_network.DEFAULTS = training_spec.DEFAULTS = replace(fit_network.DEFAULTS, lanes=6, few=1)
    fit_network._Run.stage = telling(folder, fit_network._Run.stage)  # type: ignore[method-assign]
    spec = TrainingSpec("lstm", 4, 5, steps=STEPS, hardware=Hardware("cpu", processes))
    watch = dying if how == "kill" else None
    fitted = fit(Panel.of(wave(6, 90)), spec, watch, folder / "run", resume=how == "resume")
    made = {word: fitted.bundle.manifest[word] for word in ("processes", "lanes")}
    tell(folder / "fitted.json", made | {"digest": fitted.bundle.digest, "chosen": fitted.chosen})


def telling(folder: Path, stage):
    """The same stage, which leaves behind what each process ended it with."""

    def told(run, name, *rest, **words) -> ForecastModule:
        module = stage(run, name, *rest, **words)
        weights = b"".join(array.tobytes() for _, array in sorted(module.network.export().items()))
        seen = {"weights": hashlib.sha256(weights).hexdigest(), "steps": module.trainer.global_step}
        tell(folder / f"{name}-{run.team.rank}.json", seen | {"lanes": module._position["series"]})
        return module

    return told


def dying(stage: str, done: int, total: int) -> None:
    """The process ends here, as suddenly as it can."""
    if done >= KILLED_AFTER:
        os._exit(9)


def tell(path: Path, value: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
