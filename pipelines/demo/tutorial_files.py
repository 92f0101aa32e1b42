"""The files of the tutorial: temperatures of three rooms of an invented bakery, written as people write such files."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from data.errors import InvalidInput

ROOMS = {"cold": (4.0, 0.6), "flour": (19.0, 1.5), "oven": (31.0, 8.0)}  # mean and daily swing in °C
FIRST = datetime(2024, 2, 1)  # noqa: DTZ001 local time, as in the files
MARCH, NEXT_DAY, END = (datetime(2024, 3, day) for day in (1, 25, 26))  # noqa: DTZ001
FAULT = -127.0  # what such a sensor says when its wire is loose
WRONG_DAY = datetime(2024, 3, 12)  # noqa: DTZ001 on which the sensor of the oven stood 10 °C too low

Reading = tuple[datetime, str, float | None]


def write_files(folder: Path) -> list[Path]:
    """Write the files into a new or empty folder; returns their paths. The same ones each time.

    Raises InvalidInput where the folder holds something already or cannot be made.
    """
    try:
        (folder / "next").mkdir(parents=True)
    except FileExistsError:
        raise InvalidInput(f"{folder} exists already; name another folder") from None
    except OSError as error:
        raise InvalidInput(f"{folder} cannot be made ({error.strerror}); name another folder") from None
    readings = true_readings()
    texts = {
        "february.csv": february([reading for reading in readings if reading[0] < MARCH]),
        "march.csv": plain(march([reading for reading in readings if MARCH <= reading[0] < NEXT_DAY])),
        "march_oven_corrected.csv": plain([r for r in readings if r[1] == "oven" and r[0].date() == WRONG_DAY.date()]),
        "next/2024-03-25.csv": plain([reading for reading in readings if reading[0] >= NEXT_DAY]),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in texts]


def true_readings() -> list[Reading]:
    """Every hour of every room, by time: warmest in the afternoon, with noise that lasts some hours."""
    random = np.random.default_rng(0)
    hours = int((END - FIRST) / timedelta(hours=1))
    lasting = dict.fromkeys(ROOMS, 0.0)
    readings: list[Reading] = []
    for hour in range(hours):
        time = FIRST + timedelta(hours=hour)
        for room, (mean, swing) in ROOMS.items():
            lasting[room] = 0.8 * lasting[room] + float(random.normal(0, swing / 12))
            value = mean + swing * math.sin((time.hour - 9) / 12 * math.pi) + lasting[room]
            readings.append((time, room, round(value, 1)))
    return readings


def february(readings: list[Reading]) -> str:
    """The first file: from a spreadsheet, with all that goes wrong in a month."""
    messy: list[Reading] = []
    for number, (time, room, value) in enumerate(readings):
        if room == "cold" and datetime(2024, 2, 9, 2) <= time < datetime(2024, 2, 9, 8):  # noqa: DTZ001
            continue  # the battery was empty
        if room == "cold" and time.day == 20 and time.hour in (3, 4, 5):
            value = FAULT
        if room == "flour" and number % 500 == 1:
            value = None
        messy.append((time + timedelta(minutes=number * 7 % 5), room, value))
    messy[300:303] = reversed(messy[300:303])  # out of order
    messy[400:400] = messy[340:400]  # sent twice
    messy.insert(900, (datetime(1970, 1, 1), "oven", 30.0))  # noqa: DTZ001 the clock was not set after a power cut
    lines = [f"{time:%d.%m.%Y %H:%M};{room};{spreadsheet(value)}" for time, room, value in messy]
    return "\ufeff" + "\r\n".join(["Time;Room;Temperature", *lines]) + "\r\n"


def spreadsheet(value: float | None) -> str:
    """A number with a decimal comma; a missing one is n/a."""
    return "n/a" if value is None else f"{value:.1f}".replace(".", ",")


def march(readings: list[Reading]) -> list[Reading]:
    """The second month, in which one sensor stood too low for a day."""
    return [
        (time, room, round(value - 10, 1))
        if value is not None and room == "oven" and time.date() == WRONG_DAY.date()
        else (time, room, value)
        for time, room, value in readings
    ]


def plain(readings: list[Reading]) -> str:
    """A file of the new logger: commas, and times as ISO 8601 has them."""
    lines = [f"{room},{time:%Y-%m-%dT%H:%M},{value:.1f}" for time, room, value in readings]
    return "\n".join(["Room,Time,Temperature", *lines]) + "\n"
