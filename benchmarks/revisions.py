"""One benchmark on this tree and on another revision, in turns: is the code as fast as it was?

    python -m benchmarks.revisions --against HEAD~1 kernel
    python -m benchmarks.revisions --against v1 service --only observe,forecast

Both sides run the benchmark with --json, one after the other, --rounds times. A ratio compares one round of each side
and is above 1 where this tree is better: times, bytes and costs count inversely. Printed are the median of the ratios
and their range over the rounds, which for seven rounds covers the true median with 98 per cent.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.support.program import ROOT, refuse
from benchmarks.support.run import positive
from benchmarks.support.worktree import worktree

COSTS = ("_us", "_ms", "_s", "_kb", "_mb", "_bytes", "_seconds", "_seconds_worst", "long_roll_ratio")
SETTINGS = ("starts", "batch", "forecast_rows", "ingest_rows", "backtest_sample")  # chosen, not measured
Figures = dict[str, float]


def measure(tree: Path, words: list[str]) -> Figures:
    """The figures of one run of a benchmark with the code of `tree`."""
    name, *options = words
    command = [sys.executable, "-m", f"benchmarks.{name}", *options, "--json"]
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True)
    if done.returncode:
        refuse(f"{' '.join(command[1:])} failed in {tree}: {done.stderr.strip()[-300:]}")
    found = json.loads(done.stdout.strip().splitlines()[-1])
    return {key: float(value) for key, value in found.items() if is_measured(key, value)}


def is_measured(name: str, value: object) -> bool:
    """Is a figure a number that may differ between two sides?"""
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0 and name not in SETTINGS


def ratio(name: str, here: float, there: float) -> float:
    """Above 1 where this tree is better."""
    return there / here if name.endswith(COSTS) else here / there


def show(words: list[str], here: list[Figures], there: list[Figures]) -> None:
    """Print one line for each figure that every run has."""
    table = Table("figure", "here", "there", "ratio", "range", title=f"benchmarks.{' '.join(words)}")
    for name in (key for key in here[0] if all(key in figures for figures in [*here, *there])):
        ratios = [ratio(name, own[name], other[name]) for own, other in zip(here, there, strict=True)]
        middle = [statistics.median(figures[name] for figures in side) for side in (here, there)]
        shown = [f"{value:,.4g}" for value in middle]
        table.add_row(name, *shown, f"{statistics.median(ratios):.3f}", f"{min(ratios):.3f} to {max(ratios):.3f}")
    Console(width=140).print(table)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--against", metavar="REV", required=True, help="the other revision")
    options.add_argument("--rounds", type=positive, default=7)
    options.add_argument("words", nargs=argparse.REMAINDER, metavar="BENCHMARK", help="its name, then its options")
    chosen = options.parse_args()
    if not chosen.words:
        options.error("name a benchmark")
    here: list[Figures] = []
    there: list[Figures] = []
    with worktree(chosen.against) as tree:
        for turn in range(chosen.rounds):
            sides = [(ROOT, here), (tree, there)]
            for place, figures in sides if turn % 2 == 0 else sides[::-1]:
                figures.append(measure(place, chosen.words))
    show(chosen.words, here, there)


if __name__ == "__main__":
    main()
