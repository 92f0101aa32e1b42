"""Speed of a training step, peak memory of training, and with --race the accuracy after a given time.

*Step*: everything that a training step does (chunk, features, network, loss, backward, clipping, optimiser, averaging,
progress) in a real run of `fit`, against forward and backward of a bare nn.LSTM of the same shape, in turns: 48 lanes
of 192 origins, hidden 128, 2 layers, window 168, 48 steps × 11 levels; and once more at the shape that the product
chooses itself. A rate is bare seconds over step seconds, the median over rounds. *Memory*: the peak of a process of its
own that fits 100,000 series of 250 values: a few steps of both stages, and everything before, between and after.

*Race*, instead of the two: one minute on M4 weekly and six on M4 hourly, OWA on the official test part, beside
neuralforecast's LSTM with the same wall time, horizon and input size and its own default sizes. The peer lives in an
environment that `make peers` makes; without it its column says that it is not installed.

Keys of --json: step_rate (as the product trains, against a bare float32 LSTM), same_precision_rate (against one in the
product's own precision), float32_rate (both float32), own_rate (at own_shape, bare float32), each with _ms (a training
step) and _bare_ms in place of _rate; precision; peak_kb, and the peak so far at before_kb (values there, training not
begun), choose_kb (first stage over) and validation_kb (shrinkage, calibration and validation over). With --race,
for SET weekly and hourly: SET_owa, SET_seconds, SET_steps, SET_peer_owa, SET_peer_seconds, SET_peer_steps,
peer_version, such as weekly_owa, weekly_seconds, hourly_owa, hourly_seconds.
"""

from forecasting.kernel.threads import prepare

prepare()

import json  # noqa: E402  the processor's kernels are chosen before NumPy loads
import subprocess  # noqa: E402
import sys  # noqa: E402

import numpy as np  # noqa: E402

from benchmarks.support import race, turns  # noqa: E402
from benchmarks.support.run import Figures, command, finish, parser  # noqa: E402
from benchmarks.support.thresholds import asked, bounds  # noqa: E402
from forecasting.training import devices  # noqa: E402

MINUTES = {"weekly": 1.0, "hourly": 6.0}
MANY = {"series": 100_000, "length": 250, "season": 24, "horizon": 48, "steps": 4}


def step_rates() -> Figures:
    """A training step against the bare cells: at the shape of the bound, and at the product's own."""
    precision = devices.precision()
    asked_for, _ = turns.measured(precision, turns.ASKED)
    plain = asked_for if precision == turns.PLAIN else turns.measured(turns.PLAIN, turns.ASKED)[0]
    own, shape = turns.measured(precision, None)
    figures: Figures = {"precision": precision, "own_shape": str(shape)}
    for name, taken, against in (
        ("step", asked_for, turns.PLAIN),
        ("same_precision", asked_for, precision),
        ("float32", plain, turns.PLAIN),
        ("own", own, turns.PLAIN),
    ):
        figures |= {
            f"{name}_rate": middle(taken[against] / taken["step"]),
            f"{name}_ms": 1e3 * middle(taken["step"]),
            f"{name}_bare_ms": 1e3 * middle(taken[against]),
        }
    return figures


def middle(values: np.ndarray) -> float:
    return float(np.median(values))


def memory() -> Figures:
    """Peak memory of a training in its own process."""
    words = [f"--{name}={value}" for name, value in MANY.items()]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.support.memory", *words], stdout=subprocess.PIPE, text=True, check=True
    )
    return Figures(json.loads(done.stdout))


def step_rows(figures: Figures) -> list[list[str]]:
    """The table of rates and memory."""
    labels = {
        "step": f"{turns.ASKED}: as it trains ({figures['precision']}), bare float32",
        "same_precision": f"{turns.ASKED}: both {figures['precision']}",
        "float32": f"{turns.ASKED}: both float32",
        "own": f"{figures['own_shape']}, the product's own: as it trains, bare float32",
    }
    table = [["what", "training step", "bare nn.LSTM", "rate", "to reach"]]
    for name, label in labels.items():
        own, other = f"{figures[f'{name}_ms']:.0f} ms", f"{figures[f'{name}_bare_ms']:.0f} ms"
        table.append([label, own, other, f"{figures[f'{name}_rate']:.2f}", asked("training.step", f"{name}_rate")[0]])
    what = f"peak memory, {MANY['series']:,} series × {MANY['length']} values, horizon {MANY['horizon']}"
    most = next(bound.value for bound in bounds("training.memory", "peak_kb"))
    table.append([what, gigabytes(figures["peak_kb"]), "", "", gigabytes(most)])
    parts = {"before_kb": "before training", "choose_kb": "first stage over", "validation_kb": "validation over"}
    return [*table, *([f"… {label}", gigabytes(figures[key]), "", "", ""] for key, label in parts.items())]


def gigabytes(kilobytes: float) -> str:
    return f"{kilobytes / 1e6:.2f} GB"


def race_rows(figures: Figures) -> list[list[str]]:
    """The table of the race."""
    peer = f"neuralforecast {figures.get('peer_version', '')} LSTM".replace("  ", " ")
    table = [["set", "Rollcast OWA", "seconds", "to reach", "within", peer, "seconds"]]
    for name in MINUTES:
        asks = (asked("training.race", f"{name}_{figure}")[0] for figure in ("owa", "seconds"))
        other = [race.ABSENT, ""]
        if f"{name}_peer_owa" in figures:
            other = [f"{figures[f'{name}_peer_owa']:.3f}", f"{figures[f'{name}_peer_seconds']:.0f}"]
        table.append([name, f"{figures[f'{name}_owa']:.3f}", f"{figures[f'{name}_seconds']:.0f}", *asks, *other])
    return table


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--race", action="store_true", help="only accuracy by wall time, beside a peer")
    options.add_argument("--minutes", type=float, help="of each race; default 1 and 6")
    options.add_argument("--seed", type=int, default=0)
    chosen = options.parse_args()
    figures: Figures = {}
    if chosen.race:
        for name, minutes in MINUTES.items():
            figures |= race.race(name, chosen.minutes or minutes, chosen.seed)
        finish("training", figures, race_rows(figures), chosen, {"training.race": figures})
    figures = memory() | step_rates()
    finish("training", figures, step_rows(figures), chosen, {"training.step": figures, "training.memory": figures})


if __name__ == "__main__":
    command(main)
