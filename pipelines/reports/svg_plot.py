"""Draws a forecast as an SVG file of its own: past, median and intervals with their axes, on white."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree as tree  # only writes; nothing is parsed

import numpy as np

from data.errors import InvalidInput
from data.files import check_folder, output_file
from pipelines.forecasts.pictured import Picture
from pipelines.reports.axes import time_ticks, time_words, value_text, value_ticks

WIDTH, HEIGHT = 860, 400
LEFT, RIGHT, TOP, BOTTOM = 64, 20, 66, 46  # margins
INK, MUTED, GRID, ACCENT = "#1e293b", "#64748b", "#e2e8f0", "#2563eb"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif"
OPACITY = {1: (0.24,), 2: (0.14, 0.2)}  # of the intervals, the widest first
SMALL = (260, 72)  # width and height of a small picture


class Area(NamedTuple):
    """The rectangle of a plot, and the times and values at its edges."""

    left: float
    top: float
    right: float
    bottom: float
    steps: int
    low: float
    high: float

    def x(self, step: float) -> float:
        return self.left + (self.right - self.left) * step / max(1, self.steps - 1)

    def y(self, value: float) -> float:
        return self.bottom - (self.bottom - self.top) * (value - self.low) / (self.high - self.low)

    def points(self, first: int, values: np.ndarray) -> list[str]:
        """Points as attributes have them."""
        return [f"{self.x(first + i):.1f},{self.y(float(value)):.1f}" for i, value in enumerate(values)]


def check_path(path: Path) -> None:
    """Raises InvalidInput for a file we could not write, before the work is done."""
    if path.suffix != ".svg":
        raise InvalidInput(f"{path.name} does not end in .svg; name the picture so")
    check_folder(path)


def write(picture: Picture, path: Path) -> None:
    """Draw a picture into a file, whole or not at all."""
    with output_file(path) as partial:
        partial.write_text(large(picture), encoding="utf-8")


def large(picture: Picture) -> str:
    """The picture with title, axes and legend."""
    root = canvas(WIDTH, HEIGHT, picture)
    add(root, "rect", width=WIDTH, height=HEIGHT, fill="#ffffff")
    add(root, "text", text=cut(picture.unique_id, 48), x=LEFT, y=26, fill=INK, **{"font-size": 16, "font-weight": 600})
    caption = f"{picture.target} by {picture.model}, from {time_words(int(picture.past_ds[-1]), picture.kind)}"
    add(root, "text", text=cut(caption, 120), x=LEFT, y=46, fill=MUTED)
    low, high = picture.extent
    room = (high - low) * 0.04
    steps = len(picture.past) + len(picture.ds)
    area = Area(LEFT, TOP, WIDTH - RIGHT, HEIGHT - BOTTOM, steps, low - room, high + room)
    value_axis(root, area)
    time_axis(root, area, picture)
    fan(root, area, picture)
    legend(root, picture)
    return text_of(root)


def small(picture: Picture) -> str:
    """The picture without axes, for a table."""
    root = canvas(*SMALL, picture)
    low, high = picture.extent
    area = Area(2, 4, SMALL[0] - 2, SMALL[1] - 4, len(picture.past) + len(picture.ds), low, high)
    fan(root, area, picture)
    return text_of(root)


def canvas(width: int, height: int, picture: Picture) -> tree.Element:
    """An empty drawing, with what it shows in words for those who cannot see it."""
    root = tree.Element("svg", xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {width} {height}", role="img")
    root.attrib |= {"width": str(width), "height": str(height), "font-family": FONT, "font-size": "12"}
    add(root, "title", text=f"{picture.unique_id}: the last {len(picture.past)} steps and a forecast of the next "
                            f"{len(picture.ds)}")  # fmt: skip
    return root


def add(parent: tree.Element, tag: str, *, text: Any = None, **attributes: Any) -> tree.Element:
    """One element inside another; text and attributes are escaped when they are written."""
    element = tree.SubElement(parent, tag, {name: str(value) for name, value in attributes.items()})
    element.text = text
    return element


def cut(text: str, most: int) -> str:
    """The beginning of a text that is longer than there is room for."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def text_of(root: tree.Element) -> str:
    return tree.tostring(root, encoding="unicode") + "\n"


def value_axis(root: tree.Element, area: Area) -> None:
    """Lines across the plot at round values, which are named at the left."""
    ticks = value_ticks(area.low, area.high)
    spacing = ticks[1] - ticks[0] if len(ticks) > 1 else area.high - area.low
    for tick in ticks:
        y = f"{area.y(tick):.1f}"
        add(root, "line", x1=area.left, x2=area.right, y1=y, y2=y, stroke=GRID)
        aside = {"text-anchor": "end", "dominant-baseline": "middle", "fill": MUTED}
        add(root, "text", text=value_text(tick, spacing), x=area.left - 8, y=y, **aside)


def time_axis(root: tree.Element, area: Area, picture: Picture) -> None:
    """Marks below the plot at round times, and a line at the origin."""
    ds = np.concatenate([picture.past_ds, picture.ds])
    add(root, "line", x1=area.left, x2=area.right, y1=area.bottom, y2=area.bottom, stroke=MUTED)
    for position, text in time_ticks(ds, picture.kind, 9):
        x = f"{area.x(position):.1f}"
        add(root, "line", x1=x, x2=x, y1=area.bottom, y2=area.bottom + 5, stroke=MUTED)
        add(root, "text", text=text, x=x, y=area.bottom + 20, fill=MUTED, **{"text-anchor": "middle"})
    if picture.kind == "instant":
        add(root, "text", text="UTC", x=area.right, y=area.bottom + 36, fill=MUTED, **{"text-anchor": "end"})
    now = f"{area.x(len(picture.past) - 1):.1f}"
    add(root, "line", x1=now, x2=now, y1=area.top, y2=area.bottom, stroke=MUTED, **{"stroke-dasharray": "2 3"})


def fan(root: tree.Element, area: Area, picture: Picture) -> None:
    """Intervals, past and median; the fan opens at the last value, where it is known."""
    known, last = len(picture.past), picture.past[-1:]
    start, opening = (known - 1, last) if np.isfinite(last).all() else (known, last[:0])
    for (low, high), opacity in zip(picture.bands.values(), opacities(len(picture.bands)), strict=True):
        there = area.points(start, np.concatenate([opening, high]))
        back = area.points(start, np.concatenate([opening, low]))[::-1]
        add(root, "polygon", points=" ".join([*there, *back]), fill=ACCENT, **{"fill-opacity": opacity})
    line = {"fill": "none", "stroke-linejoin": "round", "stroke-linecap": "round"}
    for first, values in pieces(picture.past):
        points = " ".join(area.points(first, values))
        add(root, "polyline", points=points, stroke=INK, **line, **{"stroke-width": 1.5})
    points = " ".join(area.points(start, np.concatenate([opening, picture.median])))
    add(root, "polyline", points=points, stroke=ACCENT, **line, **{"stroke-width": 2.25})


def opacities(bands: int) -> Sequence[float]:
    """How much of the colour each interval has."""
    return OPACITY.get(bands) or [0.12] * bands


def pieces(values: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """The runs of known values, each with the place of its first one; one value alone is drawn as a dot."""
    known = np.flatnonzero(np.isfinite(values))
    runs = np.split(known, np.flatnonzero(np.diff(known) > 1) + 1) if len(known) else []
    return [(int(run[0]), values[run] if len(run) > 1 else np.repeat(values[run], 2)) for run in runs]


def legend(root: tree.Element, picture: Picture) -> None:
    """What lines and colours are, at the right of the title."""
    names = [("known", INK, 1.0), ("median", ACCENT, 1.0)]
    clear = 1.0  # what shades that lie over one another let through
    for percent, opacity in zip(picture.bands, opacities(len(picture.bands)), strict=True):
        clear *= 1 - opacity
        names.append((f"{percent} % interval", ACCENT, round(1 - clear, 3)))
    x = WIDTH - RIGHT - sum(map(room_of, names))
    for name, colour, opacity in names:
        thick = 2.5 if opacity == 1 else 10
        box = {"x": f"{x:.1f}", "y": 22 - thick / 2, "width": 18, "height": thick}
        add(root, "rect", **box, fill=colour, **{"fill-opacity": opacity})
        add(root, "text", text=name, x=f"{x + 24:.1f}", y=26, fill=MUTED)
        x += room_of((name, colour, opacity))


def room_of(name: tuple[str, str, float]) -> float:
    """The width of an entry of the legend."""
    return 40 + 6.6 * len(name[0])
