"""Ticks of axes: round numbers, and round times."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import numpy as np

from data.grid.durations import DAY, HOUR, MINUTE
from data.grid.grid import Ints
from data.schema import TimeKind

STRIDES = (
    *(MINUTE * n for n in (1, 2, 5, 10, 15, 30)),
    *(HOUR * n for n in (1, 2, 3, 6, 12)),
    *(DAY * n for n in (1, 2, 7, 14, 28, 91, 182, 365, 730, 1826, 3652, 7305, 18262, 36525)),
)  # between two ticks of time


def value_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers between two values, `most` or fewer: multiples of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / max(1, most - 1)
    if not (math.isfinite(rough) and rough > 0):
        return [low]
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * round_ for round_ in (1, 2, 5, 10) if power * round_ >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)] or [low]


def value_text(value: float, spacing: float) -> str:
    """A tick's value with the places that tell it from its neighbours."""
    if value and not 1e-4 <= abs(value) < 1e7:
        return f"{value:.3g}"
    places = max(0, -math.floor(math.log10(spacing) + 1e-9)) if spacing > 0 else 3
    return f"{value + 0:,.{min(places, 6)}f}".replace(",", "\u202f")


def time_ticks(ds: Ints, kind: TimeKind, most: int = 6) -> list[tuple[float, str]]:
    """Position among times `ds` (n,), and text, of at most `most` round ones."""
    first, last = int(ds[0]), int(ds[-1])
    if kind == "step":
        wanted = [int(tick) for tick in value_ticks(first, last, most) if tick == int(tick)]
        texts = [str(tick) for tick in wanted]
    else:
        stride = next((s for s in STRIDES if (last - first) / s <= most - 1), STRIDES[-1])
        wanted = list(range(-(-first // stride) * stride, last + 1, stride))
        texts = [time_text(tick, stride) for tick in wanted]
    positions = np.interp(wanted, ds, np.arange(len(ds))).tolist() if wanted else []
    return list(zip(positions, texts, strict=True))


def time_text(ds: int, stride: int) -> str:
    """A tick's time: the hour where ticks are close, the day at midnight and beyond, the year where they are far."""
    moment = datetime.fromtimestamp(ds / 1e6, UTC)
    if stride < DAY and ds % DAY:
        return f"{moment:%H:%M}"
    return f"{moment:%b %Y}" if stride > 180 * DAY else f"{moment.day} {moment:%b}"


def time_words(ds: int, kind: TimeKind) -> str:
    """One time in full, as people read it."""
    if kind == "step":
        return f"step {ds}"
    moment = datetime.fromtimestamp(ds / 1e6, UTC)
    return f"{moment.day} {moment:%b %Y}" + (f" {moment:%H:%M} UTC" if kind == "instant" else "")
