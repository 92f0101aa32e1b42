"""Four small datasets out of the bundled samples, and one day of observations for each.

Three are the machine's temperature plus a period that no baseline repeats, so that a network passes the promotion gate
after a few steps of training. A window holds little more than one round of the first one's period, so that its model
has a cycle memory. The fourth is stocks on business days, which a baseline serves.
"""

import csv
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

Row = dict[str, Any]
Stamp = Callable[[int], str | int]

SAMPLES = Path(__file__).resolve().parents[2] / "data/samples"
FIRST = datetime(2014, 1, 1)  # noqa: DTZ001  written with a Z below
APART = 2_500  # rows of the sample between the beginnings of two series
SWING = 25.0  # amplitude of the added period in degrees
STOCK_DAYS, LIVE_DAYS = 200, 10


@dataclass(frozen=True)
class Dataset:
    """One dataset: the ingested history and the later values, each a list of steps with a row for every series."""

    name: str
    model: str
    freq: str
    season: int
    history: list[list[Row]]
    live: list[list[Row]]


def datasets() -> list[Dataset]:
    """The same rows at every call."""
    return [
        waves("plant", "lstm", "5m", series=4, known=475, live=288, period=60, stamp=clock(5)),
        waves("hall", "gru", "1h", series=6, known=300, live=24, period=17, stamp=clock(60)),
        waves("line", "rnn", "1", series=5, known=300, live=24, period=17, stamp=lambda step: step),
        stocks(),
    ]


def waves(
    name: str, model: str, freq: str, *, series: int, known: int, live: int, period: int, stamp: Stamp
) -> Dataset:
    """Stretches of the machine's temperature, each with an added period."""
    with (SAMPLES / "machine_temperature_system_failure.csv").open() as file:
        values = [float(row["value"]) for row in csv.DictReader(file)]

    def row(step: int, i: int) -> Row:
        swing = SWING * math.sin(2 * math.pi * (step + 5 * i) / period)
        return {"unique_id": f"{name}/{i}", "ds": stamp(step), "y": round(values[APART * i + step] + swing, 3)}

    steps = [[row(step, i) for i in range(series)] for step in range(known + live)]
    return Dataset(name, model, freq, 1, steps[:known], steps[known:])


def stocks() -> Dataset:
    """Closing prices of every ticker on the sample's last days."""
    by_day: dict[str, list[Row]] = {}
    with (SAMPLES / "stocks.csv").open() as file:
        for row in csv.DictReader(file):
            own = {"unique_id": row["Ticker"], "ds": row["Date"], "y": float(row["Close"])}
            by_day.setdefault(row["Date"], []).append(own)
    days = [by_day[day] for day in sorted(by_day)[-STOCK_DAYS:]]
    return Dataset("stocks", "seasonal_naive", "1b", 5, days[:-LIVE_DAYS], days[-LIVE_DAYS:])


def clock(minutes: int) -> Stamp:
    """Stamps in UTC, `minutes` apart."""
    return lambda step: f"{FIRST + timedelta(minutes=minutes * step):%Y-%m-%dT%H:%M:%SZ}"


def write(path: Path, steps: list[list[Row]]) -> Path:
    """A CSV file of all rows."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["unique_id", "ds", "y"])
        writer.writeheader()
        writer.writerows(row for step in steps for row in step)
    return path


def requests(steps: list[list[Row]]) -> Iterator[list[Row]]:
    """The rows of each request, one after the other.

    Most steps come as one batch, every fifth row by row, the last quarter three steps at a time. On the way one value
    is missing, one row comes two steps late, one batch comes twice, and one value is corrected.
    """
    missing, late, twice, corrected = (len(steps) * part // 10 for part in (1, 2, 4, 6))
    together = len(steps) * 3 // 4
    for at, step in enumerate(steps[:together]):
        rows = [{**step[0], "y": None}, *step[1:]] if at == missing else step[1:] if at == late else step
        yield from ([row] for row in rows) if at % 5 == 0 else [rows]
        if at == late + 2:
            yield [steps[late][0]]
        if at == twice:
            yield step
        if at == corrected:
            yield [{**steps[corrected - 3][-1], "y": steps[corrected - 3][-1]["y"] + 1.0}]
    for at in range(together, len(steps), 3):
        yield [row for step in steps[at : at + 3] for row in step]
