"""Whether a training keeps its minutes and its memory: whole `rollcast train` processes on synthetic seasons.

*Minutes*: on four datasets, of 12 × 171, 100 × 400, 300 × 1,000 and 1,000 × 2,400 values, the seconds from the moment
the data are read until the model is registered, the refit included, beside the minutes that were given. *Memory*: the
peak of the whole process, reading and registering included, after a few steps: 2.4 million values with a window of 336
and a horizon of 168 steps, and 25 million values. With --only one of the two; with --sets and --minutes a part of them.

Keys of --json: SET_at_MINUTES_over (seconds beyond the minutes, negative where it ended before), SET_at_MINUTES_steps
(of each training), SET_at_MINUTES_networks (in the model) for SET small, middle, large and huge and MINUTES such as
0_5; worst_over (the largest of what is beyond the greater of 15 % and 10 s; 0 or less where all are kept);
huge_peak_kb, huge_values, most_peak_kb, most_values; load (of the machine, one minute, at the start).
"""

from forecasting.kernel.threads import prepare

prepare()

import os  # noqa: E402  the processor's kernels are chosen before NumPy loads
import tempfile  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any, NamedTuple  # noqa: E402

import numpy as np  # noqa: E402
import polars as pl  # noqa: E402

from benchmarks.support.peak import rollcast  # noqa: E402
from benchmarks.support.run import Figures, command, finish_parts, parser, words  # noqa: E402


class Made(NamedTuple):
    """A synthetic dataset: series × length values, with its season and horizon."""

    series: int
    length: int
    season: int
    horizon: int


SETS = {
    "small": Made(12, 171, 7, 14),
    "middle": Made(100, 400, 12, 12),
    "large": Made(300, 1_000, 24, 48),
    "huge": Made(1_000, 2_400, 24, 168),
}
MOST = Made(5_000, 5_000, 24, 48)
STEPS = 4  # of a training whose memory is measured
TOLERATED = (0.15, 10.0)  # share of the minutes, and seconds: the larger counts


def write(made: Made, path: Path) -> None:
    """Noisy seasons, each around its own level, with a second cycle of seven seasons."""
    rng, step = np.random.default_rng(0), np.arange(made.length)
    wave = 3 * np.sin(2 * np.pi * step / made.season) + 1.5 * np.sin(2 * np.pi * step / made.season / 7)
    values = rng.standard_normal((made.series, made.length)) + wave + rng.uniform(10, 100, (made.series, 1))
    names = np.repeat([f"s{i:05}" for i in range(made.series)], made.length)
    steps = np.tile(step, made.series)
    pl.DataFrame({"unique_id": names, "t": steps, "y": values.ravel()}).write_parquet(path)


def trained(made: Made, *options: list[str]) -> list[tuple[Figures, dict[str, Any]]]:
    """Peak, and what `train` printed, for each list of options, on one dataset in a new home."""
    with tempfile.TemporaryDirectory() as folder:
        home, file = Path(folder) / "home", Path(folder) / "made.parquet"
        write(made, file)
        words = ["--freq", "1", "--season", str(made.season), "--horizon", str(made.horizon)]
        rollcast(home, "ingest", str(file), "--dataset", "made", *words)
        file.unlink()
        return [rollcast(home, "train", "made", *own) for own in options]


def minutes(sets: tuple[str, ...], given: tuple[float, ...]) -> Figures:
    """Seconds beyond the minutes given, for each dataset and number of minutes."""
    figures: Figures = {"load": os.getloadavg()[0]}
    late = []
    for name in sets:
        runs = trained(SETS[name], *(["--max-minutes", f"{one:g}"] for one in given))
        for one, (_, made) in zip(given, runs, strict=True):
            over, key = made["seconds"] - 60 * one, f"{name}_at_{one:g}".replace(".", "_")
            late.append(over - max(TOLERATED[0] * 60 * one, TOLERATED[1]))
            figures |= {f"{key}_over": over, f"{key}_steps": made["steps"], f"{key}_networks": made["networks"]}
    return figures | {"worst_over": max(late)}


def memory(sets: tuple[str, ...]) -> Figures:
    """Peak memory of whole trainings of a few steps."""
    figures: Figures = {}
    for name, made in {"huge": SETS["huge"], "most": MOST}.items():
        if name in sets:
            ((own, _),) = trained(made, ["--steps", str(STEPS)])
            figures |= {f"{name}_peak_kb": own["peak_kb"], f"{name}_values": made.series * made.length}
    return figures


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--only", choices=("minutes", "memory"), help="one part")
    options.add_argument("--sets", type=words, help="comma-separated: small, middle, large, huge; memory: huge, most")
    options.add_argument("--minutes", type=words, default=("0.5", "1", "3"), help="comma-separated; default 0.5,1,3")
    chosen = options.parse_args()
    measured: dict[str, Figures] = {}
    if chosen.only != "memory":
        measured["minutes"] = minutes(chosen.sets or tuple(SETS), tuple(float(one) for one in chosen.minutes))
    if chosen.only != "minutes":
        measured["memory"] = memory(chosen.sets or ("huge", "most"))
    finish_parts("training_limits", measured, chosen)


if __name__ == "__main__":
    command(main)
