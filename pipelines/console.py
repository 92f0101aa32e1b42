"""Output of the command line: results on standard output, everything else on standard error.

A result is printed once, either as JSON for programs or as a small table for people. Progress bars appear only on a
terminal; a log file gets a line of progress every ten seconds.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

PIPED_WIDTH = 140  # columns of a table where there is no terminal; more where a word needs them
WIDEST, READABLE = 100_000, 40  # columns that a word may need there, and that text of several words has at least
LINE_EVERY_S = 10.0  # between two lines of progress
NOT_KNOWN = "n/a"  # shown for a figure that could not be computed

ProgressCallback = Callable[[float, float, str], None]  # done, total, a few words; may be called often


def say(message: str) -> None:
    """Print a line on standard error, which a program that reads standard output does not see."""
    print(message, file=sys.stderr, flush=True)  # noqa: T201


def print_json(value: Any) -> None:
    """One JSON value on standard output. NaN and infinity, which JSON does not have, become null."""
    sys.stdout.write(json.dumps(finite(value), ensure_ascii=False, allow_nan=False) + "\n")
    sys.stdout.flush()


def finite(value: Any) -> Any:
    """The same value with plain Python numbers, and null wherever a number is not finite."""
    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    if hasattr(value, "tolist"):  # NumPy scalars and arrays
        return finite(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], title: str | None = None) -> None:
    """Print a table on standard output: numbers right-aligned, text left-aligned, a dash for a missing value.

    Without a terminal only text of several words is broken over lines: a table is as wide as its other cells need.
    """
    from rich import box
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table

    piped = not sys.stdout.isatty()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, show_header=any(columns))
    needed = 0
    for index, name in enumerate(columns):
        numeric = all(isinstance(row[index], (int, float)) or row[index] in (None, NOT_KNOWN) for row in rows) and rows
        heading = name.replace("_", " ") if numeric else name  # may then break over two lines of a narrow terminal
        texts = [heading, *(cell(row[index]) for row in rows)]
        whole = index == 0 or (piped and all(len(text.split()) < 2 for text in texts[1:]))  # a terminal would cut it
        needed += min(max(map(cell_len, texts)), WIDEST if whole else READABLE) + 2
        table.add_column(heading, justify="right" if numeric else "left", no_wrap=whole, overflow="fold")
    for row in rows:
        table.add_row(*(cell(value) for value in row))
    console = Console(width=max(PIPED_WIDTH, needed) if piped else None, markup=False, highlight=False)
    if title:
        console.print(f"\n{title}")
    console.print(table)


def cell(value: Any) -> str:
    """A value as a table shows it."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    if not isinstance(value, float):
        return str(value)
    return f"{value:.3f}" if value == 0 or abs(value) >= 0.001 else f"{value:.6g}"


def lines_of_progress(label: str) -> ProgressCallback:
    """A callback that prints a line when LINE_EVERY_S have passed since the last one, or since the start."""
    shown = time.monotonic()

    def report(done: float, total: float, words: str) -> None:
        nonlocal shown
        if time.monotonic() - shown < LINE_EVERY_S:
            return
        shown = time.monotonic()
        share = f"{min(1.0, done / total):.0%}, " if total else ""
        say(f"{label}: {share}{words}")

    return report


@contextmanager
def progress(label: str) -> Iterator[ProgressCallback]:
    """Show a progress bar, which calls of the yielded callback move; without a terminal a line every LINE_EVERY_S."""
    if not sys.stderr.isatty():
        yield lines_of_progress(label)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[words]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=None, words="getting ready")
        yield lambda done, total, words: bar.update(task, completed=done, total=total, words=words)
