"""Ingests one large CSV file into the lake, with Rollcast and with bare Polars, each in its own process.

Rollcast finds types and frequency, checks every row, resolves duplicates and commits once; bare Polars parses and
writes. Both parse the same text and dates, and end with one commit of a Delta table on the same disk.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.support.peak import peak_kb

SERIES = 1_000
STEP = "5m"


def measure(rows: int = 10_000_000) -> dict[str, float]:
    """Rows a second of both, their ratio, and the peak memory of each; that of Rollcast does not grow with `rows`.

    Peaks are of anonymous memory; the pages of the file, which the system can drop, are not counted.
    """
    with tempfile.TemporaryDirectory(prefix="rollcast-ingest-") as name:
        folder = Path(name)
        source = folder / "plant.csv"
        make(source, rows)
        found = {who: child(who, source, folder / who) for who in ("bare", "ours")}
    figures = {f"{who}_{what}": value for who, own in found.items() for what, value in own.items()}
    return {"rows": rows, "ratio": found["ours"]["rows_s"] / found["bare"]["rows_s"], **figures}


def make(path: Path, rows: int) -> None:
    """Noise of `SERIES` series, one after the other, a value each five minutes."""
    length = rows // SERIES
    start = pl.datetime(2024, 1, 1)
    stamps = pl.datetime_range(start, start + pl.duration(minutes=5 * (length - 1)), STEP, eager=True)
    text = stamps.dt.to_string("%Y-%m-%d %H:%M:%S").alias("ds")
    with path.open("wb") as file:
        for number in range(SERIES):
            y = pl.Series("y", np.random.default_rng(number).normal(20, 5, length).round(3))
            ids = pl.repeat(f"sensor-{number:05}", length, eager=True).alias("unique_id")
            pl.DataFrame([ids, text, y]).write_csv(file, include_header=number == 0)


def child(who: str, source: Path, target: Path) -> dict[str, float]:
    """Runs one of both in a new process."""
    command = [sys.executable, "-m", "benchmarks.support.ingest", who, str(source), str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def bare(source: Path, target: Path) -> int:
    """Polars alone: read, parse dates, write."""
    pl.scan_csv(source, try_parse_dates=True).with_columns(pl.col("ds").dt.replace_time_zone("UTC")).sink_delta(target)
    return int(pl.scan_delta(str(target)).select(pl.len()).collect().item())


def ours(source: Path, target: Path) -> int:
    """The product, as `rollcast ingest` does it."""
    from data.formats.options import SourceOptions
    from data.settings import load_settings
    from pipelines.ingestion.ingest import ingest
    from pipelines.workspace import open_workspace

    workspace = open_workspace(load_settings(home=target))
    return ingest(workspace, str(source), "plant", SourceOptions(tz="UTC")).added


class Peak(threading.Thread):
    """The peak anonymous memory of this process, sampled a hundred times a second."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.kb = 0
        self.over = threading.Event()

    def run(self) -> None:
        """Samples until `over` is set."""
        while not self.over.wait(0.01):
            lines = Path("/proc/self/status").read_text().splitlines()
            self.kb = max(self.kb, *(int(line.split()[1]) for line in lines if line.startswith("RssAnon")))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("who", choices=("bare", "ours"))
    options.add_argument("source", type=Path)
    options.add_argument("target", type=Path)
    chosen = options.parse_args()
    peak = Peak()
    peak.start()
    begun = time.perf_counter()
    rows = {"bare": bare, "ours": ours}[chosen.who](chosen.source, chosen.target)
    seconds = time.perf_counter() - begun
    peak.over.set()
    print(json.dumps({"rows_s": rows / seconds, "peak_mb": peak.kb / 1000, "resident_mb": peak_kb() / 1000}))


if __name__ == "__main__":
    main()
