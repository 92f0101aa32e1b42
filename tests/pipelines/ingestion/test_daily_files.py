"""Thirty daily files of five sensors, as loggers write them: jitter, gaps, a stuck sensor, a spike."""

import numpy as np
import polars as pl

from data.formats.options import SourceOptions
from data.grid.durations import DAY, MINUTE, SECOND
from data.grid.stamps import parse_ds
from data.records import quarantine
from pipelines.ingestion.ingest import ingest
from pipelines.workspace import open_workspace

START = parse_ds("2024-05-01", "date")
MINUTES = DAY // MINUTE
DAYS = 30
STUCK = range(12 * MINUTES + 700, 12 * MINUTES + 700 + 678)  # minutes of sensor s2
SPIKE = 20 * MINUTES + 55  # minute of sensor s4
GAPS = [range(3 * MINUTES + 100, 3 * MINUTES + 160), range(25 * MINUTES - 30, 25 * MINUTES + 90)]  # of sensor s1


def sensor(number):
    """The readings of one sensor: its minute, its stamp within four seconds of it, its value."""
    rng = np.random.default_rng(number)
    minute = np.arange(DAYS * MINUTES)
    y = 20 + 3 * np.sin(2 * np.pi * minute / MINUTES) + rng.normal(0, 0.3, len(minute)).round(3)
    if number == 2:
        y[STUCK.start : STUCK.stop] = y[STUCK.start]
    if number == 4:
        y[SPIKE] = 1e6
    stamp = START + minute * MINUTE + rng.integers(-4, 5, len(minute)) * SECOND
    kept = ~np.isin(minute, np.concatenate([np.array(gap) for gap in GAPS])) if number == 1 else minute >= 0
    return pl.DataFrame({
        "unique_id": f"s{number}", "ds": pl.Series(stamp).cast(pl.Datetime("us", "UTC")), "y": y.round(3),
        "day": minute // MINUTES,
    }).filter(kept)  # fmt: skip


def write_days(folder):
    folder.mkdir()
    readings = pl.concat([sensor(number) for number in range(1, 6)])
    for (day,), rows in readings.sort("day", "ds").partition_by("day", as_dict=True, include_key=False).items():
        rows.write_csv(folder / f"day-{day:02}.csv", datetime_format="%Y-%m-%dT%H:%M:%SZ")
    return len(readings)


def test_thirty_daily_files_lose_no_reading_and_the_stuck_stretch_and_the_spike_are_held_back(tmp_path):
    rows = write_days(tmp_path / "days")
    workspace = open_workspace()
    taken = ingest(workspace, str(tmp_path / "days"), "plant", SourceOptions(max_stale=60))
    report = taken.report
    assert (report["rows"], report["series"], report["frequency"]) == (rows, 5, "1m")
    assert taken.quarantined == {"spike": 1, "stale": 678 - 60}
    held = quarantine.values(workspace.engine, 1)
    assert [(value.unique_id, value.y) for value in held if value.rule == "spike"] == [("s4", 1e6)]
    stale = [(value.ds - START + MINUTE // 2) // MINUTE for value in held if value.rule == "stale"]
    assert (min(stale), max(stale)) == (STUCK.start + 60, STUCK.stop - 1)
    worst = {one["series"]: one for one in report["worst_series"]}
    assert (worst["s2"]["constant"], worst["s2"]["longest_constant"]) == (678, 678)
    assert (report["kept"], report["duplicates"], report["rejected"]) == (rows, 0, 0)
    assert (worst["s1"]["gaps"], worst["s1"]["longest_gap"]) == (60 + 120, 120)
    assert set(worst) == {"s1", "s2"}
