"""The command line of every benchmark: a table for people, `--json` for programs, `--check` for CI."""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.support.thresholds import asked, shortfalls
from data.errors import RollcastError

Figures = dict[str, Any]


def parser(doc: str | None) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--json", action="store_true", help="print one flat object")
    made.add_argument("--check", action="store_true", help="exit 1 and name every figure outside its bound")
    return made


def add_training(options: argparse.ArgumentParser) -> None:
    """Options of the benchmarks that train several times."""
    options.add_argument("--seeds", type=numbers, default=(0, 1, 2), help="comma-separated; one training for each")
    options.add_argument("--minutes", type=minutes, help="of each training; else the product's default")
    options.add_argument("--model", default="lstm", help="lstm, gru, rnn, mlp or cnn")


def positive(text: str) -> int:
    """A whole number of an option that counts something."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of one or more")
    return int(text)


def minutes(text: str) -> float:
    """How long something may take."""
    found = float(text)
    if not found > 0:
        raise argparse.ArgumentTypeError(f"{text} is no time; give minutes above 0")
    return found


def numbers(text: str) -> tuple[int, ...]:
    """Whole numbers of an option, in the order given: "0,1,2"."""
    return tuple(int(part) for part in text.split(","))


def words(text: str) -> tuple[str, ...]:
    """Words of an option, in the order given: "weekly,hourly"."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def command(main: Callable[[], None]) -> None:
    """Runs a benchmark. Prints an error of the user as one sentence, without a traceback, and exits with its code."""
    try:
        main()
    except RollcastError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def finish(
    benchmark: str,
    figures: Figures,
    rows: Sequence[Sequence[str]],
    options: argparse.Namespace,
    held_to: Mapping[str, Figures] | None = None,
) -> None:
    """Prints what was measured; with --check exits with 1 if a figure is outside its bound.

    `held_to` has the figures by the name of their bounds, by default the benchmark's name.
    """
    if options.json:
        print(json.dumps(figures))
    else:
        table = Table(*rows[0], title=f"benchmarks.{benchmark}")
        for row in rows[1:]:
            table.add_row(*row)
        Console(width=140).print(table)
    held_to = {benchmark: figures} if held_to is None else held_to
    missed = []
    if options.check:
        missed = [(name, sentence) for name, own in held_to.items() for sentence in shortfalls(name, own)]
    for name, sentence in missed:
        print(f"{name}: {sentence}", file=sys.stderr)
    sys.exit(1 if missed else 0)


def finish_parts(benchmark: str, measured: Mapping[str, Figures], options: argparse.Namespace) -> None:
    """The same for a benchmark of several parts, each held to the bounds of its own name: "service.ready"."""
    flat = {name: value for own in measured.values() for name, value in own.items()}
    rows = [
        [part, name, f"{value:,.4g}" if isinstance(value, int | float) else str(value or "n/a"), reach]
        for part, own in measured.items()
        for name, value in own.items()
        for reach in [asked(f"{benchmark}.{part}", name)[0]]
    ]
    held_to = {f"{benchmark}.{part}": own for part, own in measured.items()}
    finish(benchmark, flat, [["part", "figure", "measured", "reach"], *rows], options, held_to)


def in_turns(works: Mapping[str, tuple[Callable[[], object], int]], rounds: int) -> dict[str, np.ndarray]:
    """Mean seconds of one call in each round, (rounds,) by name. The works take turns, so that a busy moment of the
    machine affects all of them; each is called `repeats` times in a round."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds + 1):
        for name, (work, repeats) in works.items():
            taken[name].append(seconds(work, repeats, rounds=1))
    return {name: np.array(values[1:]) for name, values in taken.items()}


def seconds(work: Callable[[], object], repeats: int, rounds: int = 7) -> float:
    """Median over rounds of the mean time of one call, after a warm-up round."""
    taken = []
    for _ in range(rounds + 1):
        begun = time.perf_counter()
        for _ in range(repeats):
            work()
        taken.append((time.perf_counter() - begun) / repeats)
    return statistics.median(taken[1:])
