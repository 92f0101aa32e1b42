"""Starts: the service to ready, and commands that only look, in three states of the caches.

warm     byte-code and compiled loops are there, as after the first start
nothing  no byte-code, not even of Python's own library, and no compiled loop: each start makes them and writes them
image    both were built in, and nothing is written, as in the container images

Each start is a process of its own on one home: a network of ten steps beside the served model, and rows in the live log
that are folded. On a busy machine look at the processor time.

Keys of --json: warm_serve, warm_status, warm_series_list, nothing_serve, nothing_status, nothing_series_list,
image_serve, image_status, image_series_list (median of the seconds); each with _cpu (of the processor time); starts.
"""

from forecasting.kernel.threads import prepare

prepare()

import argparse  # noqa: E402  the processor's kernels are chosen before NumPy loads
import os  # noqa: E402
import resource  # noqa: E402
import shutil  # noqa: E402
import statistics  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
import urllib.request  # noqa: E402
from pathlib import Path  # noqa: E402

from benchmarks.machine_temperature import SOURCE  # noqa: E402
from benchmarks.support import loop  # noqa: E402
from benchmarks.support.run import Figures, command, finish, parser  # noqa: E402
from data import clock  # noqa: E402
from data.formats.options import SourceOptions  # noqa: E402
from data.store import catalogue, observation_log  # noqa: E402
from pipelines.child_python import ROOT  # noqa: E402
from pipelines.flows.uvicorn_process import free_port  # noqa: E402
from pipelines.promotion.promote import promote  # noqa: E402
from pipelines.training.train import TrainRequest  # noqa: E402
from pipelines.workspace import Workspace  # noqa: E402

NAME = "machine_temperature"
PACKAGES = ("data", "forecasting", "pipelines", "service", "states")
STATES = ("warm", "nothing", "image")
COMMANDS = {"status": ("status",), "series_list": ("series", "list", NAME)}
FIVE_MINUTES = 300_000_000  # microseconds
PATIENCE = 120  # seconds


def copied(folder: Path) -> Path:
    """The packages without byte-code and compiled loops."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def environment(state: str, tree: Path, home: Path) -> dict[str, str]:
    """The environment of one start."""
    own = {"PYTHONPATH": str(tree), "ROLLCAST_HOME": str(home), "ROLLCAST_MLFLOW": "false"}
    found = {name: value for name, value in os.environ.items() if not name.startswith(("ROLLCAST_", "NUMBA_"))} | own
    if state == "nothing":
        found["PYTHONPYCACHEPREFIX"] = tempfile.mkdtemp(dir=home)
        found["NUMBA_CACHE_DIR"] = tempfile.mkdtemp(dir=home)
    if state == "image":
        found["PYTHONDONTWRITEBYTECODE"] = "1"
        found["NUMBA_CACHE_DIR"] = tempfile.mkdtemp(dir=home)
    return found


def python(*words: str) -> list[str]:
    return [sys.executable, "-P", *words]


def processor_s() -> float:
    """Seconds of processor time of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def ran(words: tuple[str, ...], around: dict[str, str]) -> float:
    """Seconds of a command."""
    began = time.perf_counter()
    subprocess.run(python("-m", "pipelines.cli", *words), env=around, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def served(around: dict[str, str]) -> float:
    """Seconds from the start of `rollcast serve` to its first answer that it is ready."""
    port, began = free_port(), time.perf_counter()
    words = python("-m", "pipelines.cli", "serve", "--port", str(port))
    process = subprocess.Popen(words, env=around, stderr=subprocess.DEVNULL)
    try:
        while time.perf_counter() - began < PATIENCE and process.poll() is None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=5):
                    return time.perf_counter() - began
            except OSError:
                time.sleep(0.01)
        raise TimeoutError(f"the service was not ready within {PATIENCE} seconds")
    finally:
        process.kill()  # a clean end would write snapshots, and the next start fold nothing
        process.wait()


def prepared(place: Workspace) -> None:
    """Train and promote, and log rows for the states to fold."""
    options = SourceOptions(freq="5m", tz="UTC", season=288, horizon=12, series="machine_temperature")
    loop.trained(place, SOURCE, options, TrainRequest(NAME, steps=10))
    promote(place, NAME, None, lambda done, total, words: None)
    dataset = catalogue.dataset(place.engine, NAME)
    ((number, _),) = catalogue.series(place.engine, dataset.id)
    last = int(place.lake.read(dataset.id)["ds"].to_numpy().max())
    observation_log.append(
        place.engine,
        [(dataset.id, number, last + step * FIVE_MINUTES, 95.0 + step % 3, clock.now()) for step in range(1, 200)],
    )


def measure(starts: int) -> Figures:
    figures: Figures = {"starts": starts}
    with loop.workspace() as place, tempfile.TemporaryDirectory() as folder:
        prepared(place)
        home = place.settings.home
        bare, built = copied(Path(folder) / "bare"), copied(Path(folder) / "built")
        build = environment("warm", built, home)
        subprocess.run(python("-m", "compileall", "-q", str(built)), env=build, check=True)
        subprocess.run(python("-m", "forecasting.precompile"), env=build, check=True)
        for state, tree in zip(STATES, (ROOT, bare, built), strict=True):
            for what in ("serve", *COMMANDS):
                rounds = starts + (state == "warm")  # the first one fills the caches
                taken = [timed(what, environment(state, tree, home)) for _ in range(rounds)][-starts:]
                figures[f"{state}_{what}"] = statistics.median(wall for wall, _ in taken)
                figures[f"{state}_{what}_cpu"] = statistics.median(used for _, used in taken)
    return figures


def timed(what: str, around: dict[str, str]) -> tuple[float, float]:
    """Seconds and processor seconds of one start."""
    before = processor_s()
    wall = served(around) if what == "serve" else ran(COMMANDS[what], around)
    return wall, processor_s() - before


def main() -> None:
    options: argparse.ArgumentParser = parser(__doc__)
    options.add_argument("--starts", type=int, default=5, help="of each kind")
    chosen = options.parse_args()
    figures = measure(chosen.starts)
    table = [["state", *("serve", *COMMANDS)]]
    for state in STATES:
        cells = [f"{figures[f'{state}_{what}']:.2f} s ({figures[f'{state}_{what}_cpu']:.2f})" for what in table[0][1:]]
        table.append([state, *cells])
    finish("start", figures, table, chosen)


if __name__ == "__main__":
    command(main)
