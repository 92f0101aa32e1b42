"""Draws a forecast in the terminal: past and median as lines of braille dots, the widest interval as shade.

A character has 2 × 4 dots. Nothing depends on colour: with none, or in a file, lines and shade stay apart. Where the
terminal cannot print these characters, plain ones stand for them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import NamedTuple, TypedDict

import numpy as np

from pipelines.forecasts.pictured import Picture
from pipelines.reports.axes import time_ticks, time_words, value_text, value_ticks

ROWS = 16  # lines of characters of the plot
WIDEST, NARROWEST, PIPED = 160, 40, 100  # columns
DOTS = (2, 4)  # across and down in a character
BRAILLE = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # bit of each dot, by row and column
STYLES = {"past": "", "median": "bold blue", "band": "blue", "now": "dim", "axis": "dim"}


class Signs(TypedDict):
    """The characters of one kind of terminal."""

    band: str
    now: str
    axis: str
    tick: str
    corner: str
    line: str
    mark: str
    dots: bool
    past: str
    median: str


UNICODE: Signs = {"band": "░", "now": "┊", "axis": "│", "tick": "┤", "corner": "└", "line": "─", "mark": "┬",
                  "dots": True, "past": "⠒", "median": "⠒"}  # fmt: skip
ASCII: Signs = {"band": ":", "now": "|", "axis": "|", "tick": "+", "corner": "+", "line": "-", "mark": "+",
                "dots": False, "past": ".", "median": "*"}  # fmt: skip


class PlotCell(NamedTuple):
    """One character of the plot, and the key of its style."""

    text: str
    style: str


class Scale(NamedTuple):
    """Where times and values lie: `across` columns of dots for `steps`, ROWS of characters for `low` to `high`."""

    steps: int
    across: int
    low: float
    high: float

    def line(self, first: int, values: np.ndarray) -> Iterator[tuple[int, int]]:
        """The dots (column, row) of a line through values (n,) at steps `first`, first + 1, …; NaN breaks it."""
        for i in range(len(values)):
            end = i + 1 if i + 1 < len(values) and np.isfinite(values[i + 1]) else i
            if not np.isfinite(values[i]):
                continue
            begin_x, end_x = self.column(first + i), self.column(first + end)
            dots = [(x, self.row(y)) for x, y in self._between(begin_x, end_x, values[i], values[end])]
            yield from _joined(dots)

    def _between(self, begin: int, end: int, y: float, last: float) -> Iterator[tuple[int, float]]:
        for x in range(begin, end + 1):
            yield x, y if end == begin else y + (last - y) * (x - begin) / (end - begin)
        if end == begin:
            yield end, last

    def column(self, step: int) -> int:
        return round(step * (self.across - 1) / max(1, self.steps - 1))

    def row(self, value: float) -> int:
        """Row of dots, counted from the top."""
        return round((self.high - value) / (self.high - self.low) * (ROWS * DOTS[1] - 1))


def _joined(dots: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The dots, and those between two that are not neighbours in height."""
    for place, (x, y) in enumerate(dots):
        before = dots[place - 1][1] if place else y
        for between in range(min(before, y), max(before, y) + 1) if abs(before - y) > 1 else (y,):
            yield x, between


def draw(picture: Picture) -> None:
    """Print the picture on standard output, as wide as the terminal."""
    from rich.console import Console
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else PIPED, markup=False, highlight=False)
    width = max(NARROWEST, min(WIDEST, console.width))
    for cells in lines(picture, width, UNICODE if can_print(UNICODE, sys.stdout.encoding) else ASCII):
        line = Text(no_wrap=True, overflow="crop")
        for cell in cells:
            line.append(cell.text, STYLES.get(cell.style, ""))
        line.rstrip()
        console.print(line)


def can_print(signs: Signs, encoding: str | None) -> bool:
    """Has an encoding all of these characters?"""
    try:
        "".join(sign for sign in signs.values() if isinstance(sign, str)).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def lines(picture: Picture, width: int, signs: Signs = UNICODE) -> list[list[PlotCell]]:
    """The whole picture, a list of cells for each line: caption, plot with its axes, legend."""
    low, high = picture.extent
    ticks = value_ticks(low, high, 5)
    spacing = ticks[1] - ticks[0] if len(ticks) > 1 else high - low
    texts = [plain(value_text(tick, spacing), signs) for tick in ticks]
    margin = max(map(len, texts)) + 1
    columns = width - margin - 1
    steps = len(picture.past) + len(picture.ds)
    scale = Scale(steps, columns * DOTS[0], low, high)
    grid = plot(picture, scale, columns, signs)
    named = {scale.row(tick) // DOTS[1]: text for tick, text in zip(ticks, texts, strict=True)}
    out = [[PlotCell(plain(f"{picture.unique_id}: {picture.target}, {picture.model}", signs), "")]]
    for row, cells in enumerate(grid):
        sign = signs["tick" if row in named else "axis"]
        out.append([PlotCell(named.get(row, "").rjust(margin - 1) + " " + sign, "axis"), *cells])
    return [*out, *time_axis(picture, scale, margin, columns, signs), legend(picture, signs)]


def plot(picture: Picture, scale: Scale, columns: int, signs: Signs) -> list[list[PlotCell]]:
    """ROWS lines of `columns` cells: the shade first, then the line of now, then the two lines."""
    grid = [[PlotCell(" ", "")] * columns for _ in range(ROWS)]
    known = len(picture.past)
    for x, top, bottom in shade(picture, scale):
        for y in range(top, bottom + 1):
            grid[y][x] = PlotCell(signs["band"], "band")
    now = min(columns - 1, scale.column(known - 1) // DOTS[0])
    for row in grid:
        row[now] = PlotCell(signs["now"], "now")
    joined = np.concatenate([picture.past[-1:], picture.median])
    lay(grid, scale.line(0, picture.past), "past", signs)
    lay(grid, scale.line(known - 1, joined), "median", signs)
    return grid


def shade(picture: Picture, scale: Scale) -> Iterator[tuple[int, int, int]]:
    """Column, top and bottom row of characters of the widest interval after the origin."""
    if not picture.bands:
        return
    low, high = next(iter(picture.bands.values()))
    known, steps = len(picture.past), np.arange(len(picture.ds))
    first, last = scale.column(known), scale.column(scale.steps - 1)
    for x in range(first // DOTS[0], last // DOTS[0] + 1):
        at = x * DOTS[0] * max(1, scale.steps - 1) / max(1, scale.across - 1) - known
        ends = [np.interp(at, steps, end) for end in (high, low)]
        if np.isfinite(ends).all():
            yield x, scale.row(ends[0]) // DOTS[1], scale.row(ends[1]) // DOTS[1]


def lay(grid: list[list[PlotCell]], dots: Iterator[tuple[int, int]], style: str, signs: Signs) -> None:
    """Draw dots (column, row) over what is there; where two lines meet in a character, the later one is seen."""
    masks: dict[tuple[int, int], int] = {}
    for x, y in dots:
        place = y // DOTS[1], x // DOTS[0]
        masks[place] = masks.get(place, 0) | BRAILLE[y % DOTS[1]][x % DOTS[0]]
    for (row, column), mask in masks.items():
        mark = chr(0x2800 + mask) if signs["dots"] else signs["past" if style == "past" else "median"]
        grid[row][column] = PlotCell(mark, style)


def time_axis(picture: Picture, scale: Scale, margin: int, columns: int, signs: Signs) -> list[list[PlotCell]]:
    """The line below the plot with its ticks, and their texts below it."""
    ds = np.concatenate([picture.past_ds, picture.ds])
    line, texts = [signs["line"]] * columns, [" "] * (margin + 1 + columns)
    after = 0  # where the next text may begin
    for position, text in time_ticks(ds, picture.kind, max(2, columns // 16)):
        column = min(columns - 1, scale.column(round(position)) // DOTS[0])
        line[column] = signs["mark"]
        begin = min(max(0, margin + 1 + column - len(text) // 2), len(texts) - len(text))
        if begin >= after:
            texts[begin : begin + len(text)] = text
            after = begin + len(text) + 2
    head = " " * margin + signs["corner"]
    return [[PlotCell(head + "".join(line), "axis")], [PlotCell("".join(texts), "axis")]]


def legend(picture: Picture, signs: Signs) -> list[PlotCell]:
    """What lines and shade are, and where the forecast begins; it needs no colour."""
    now = time_words(int(picture.past_ds[-1]), picture.kind)
    cells = [
        PlotCell("past", "past"),
        PlotCell(" before ", ""),
        PlotCell(signs["now"], "now"),
        PlotCell(f" {now}, ", ""),
    ]
    cells += [PlotCell("median", "median"), PlotCell(" after it", "")]
    if picture.bands:
        cells += [
            PlotCell(", ", ""),
            PlotCell(signs["band"], "band"),
            PlotCell(f" {next(iter(picture.bands))} % interval", ""),
        ]
    return cells


def plain(text: str, signs: Signs) -> str:
    """A text in the terminal's characters."""
    return text if signs["dots"] else text.replace("\u202f", "").encode("ascii", "replace").decode()
