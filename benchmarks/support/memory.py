"""Fits a network to many short series and prints the peak memory of this process; `benchmarks.training` runs it.

A few steps of both stages, and everything around them: chunks, evaluations, shrinkage, calibration, validation.
"""

from forecasting.kernel.threads import prepare

prepare()

import argparse  # noqa: E402  the processor's kernels are chosen before NumPy loads
import json  # noqa: E402

import numpy as np  # noqa: E402

from benchmarks.support.peak import peak_kb  # noqa: E402
from forecasting.panel import Panel  # noqa: E402
from forecasting.training.fit_network import TrainingSpec, fit  # noqa: E402
from pipelines.training.train import quiet_lightning  # noqa: E402


def panel(series: int, length: int, season: int) -> Panel:
    """Noisy seasons, each around its own level, in the layout of `Panel.of`."""
    rng = np.random.default_rng(0)
    values = rng.standard_normal((series, length))
    values += np.sin(2 * np.pi * np.arange(length) / season) * 3 + rng.uniform(10, 100, (series, 1))
    names = tuple(f"s{i}" for i in range(series))
    return Panel(names, values.ravel(), np.arange(series + 1) * length, np.zeros(series, np.int64))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    for name in ("series", "length", "season", "horizon", "steps"):
        options.add_argument(f"--{name}", type=int, required=True)
    chosen = options.parse_args()
    quiet_lightning()
    made = panel(chosen.series, chosen.length, chosen.season)
    peaks = {"before_kb": peak_kb()}

    def note(stage: str, *_: int) -> None:
        if stage == "choose":
            peaks["choose_kb"] = peak_kb()
        else:
            # Shrinkage, calibration and validation come before the first step of this stage.
            peaks.setdefault("validation_kb", peak_kb())

    fit(made, TrainingSpec("lstm", chosen.season, chosen.horizon, steps=chosen.steps), note)
    print(json.dumps(peaks | {"peak_kb": peak_kb()}))


if __name__ == "__main__":
    main()
