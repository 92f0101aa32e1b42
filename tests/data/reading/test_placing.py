"""Rows of a source go to the steps that their series would write them for."""

from pathlib import Path

import polars as pl
import pytest

from data import clock
from data.errors import InvalidInput
from data.formats.options import SourceOptions
from data.grid.durations import MINUTE
from data.grid.grid import make_grid
from data.grid.labels import END
from data.grid.stamps import format_all, parse_ds
from data.quality.conform import Conformed, conform
from data.schema import TIME

FILES = Path(__file__).parents[1] / "quirks_files"


def quirk(name: str, **options: str) -> Conformed:
    return conform(pl.read_csv(FILES / name, infer_schema=False), SourceOptions(**options), name)


def table(freq: str, *stamps: str, snap: str | None = None, grid=None) -> Conformed:
    raw = pl.DataFrame({"unique_id": "a", "ds": stamps, "y": [float(i) for i in range(len(stamps))]})
    return conform(raw, SourceOptions(freq=freq, snap=snap), "table", grid)


def starts(result: Conformed) -> list[str]:
    return list(format_all(result.frame[TIME].to_numpy(), result.grid.kind))


def test_each_of_a_thousand_jittered_readings_is_kept():
    result = quirk("jitter_5m.csv")
    report = result.report
    assert (report.rows, report.kept, report.duplicates, report.gaps) == (1_000, 1_000, 0, 0)
    assert (result.grid.phase, result.grid.snap) == (0, "nearest")
    assert starts(result)[:3] == ["2026-10-01T00:00:00Z", "2026-10-01T00:05:00Z", "2026-10-01T00:10:00Z"]


def test_by_floor_the_readings_that_came_early_replace_others():
    with pytest.raises(
        InvalidInput, match=r"222 of 1,000 rows have another value .*; take --snap nearest, or give a fi"
    ):
        quirk("jitter_5m.csv", snap="floor")
    report = quirk("jitter_5m.csv", snap="floor", keep="last").report
    assert (report.kept, report.duplicates) == (778, 222)


def test_ends_of_months_are_labelled_by_their_end_and_stored_by_their_first_day():
    result = quirk("month_ends.csv")
    assert (result.report.first, result.report.last, result.report.snapped) == ("2018-01-31", "2023-12-31", 0)
    assert (result.labels, starts(result)[:2]) == ({"a": END}, ["2018-01-01", "2018-02-01"])


def test_three_weekly_series_keep_their_weekdays_in_the_same_weeks():
    result = quirk("weekly_three_weekdays.csv")
    assert (result.report.kept, result.report.snapped) == (240, 0)
    assert result.labels == {"mon": 0, "thu": 3, "sun": 6}
    assert starts(result)[0] == "2023-01-02"
    assert {len(part) for part in result.frame.partition_by(TIME)} == {3}


def test_a_late_weekly_row_belongs_to_the_nearest_weekday_of_its_series():
    weeks = [f"2024-01-{day:02}" for day in (7, 14, 21, 29)]  # three Sundays and a Monday
    result = table("1w", *weeks)
    assert starts(result) == ["2024-01-07", "2024-01-14", "2024-01-21", "2024-01-28"]
    assert result.report.snapped == 1


def test_by_no_a_row_off_the_grid_is_rejected_and_the_first_is_named():
    stamps = [f"2024-01-01T0{hour}:00:00Z" for hour in range(5)]
    result = table("1h", *stamps, "2024-01-01T05:10:00Z", "2024-01-01T06:00:00Z", snap="no")
    first = {"source": "table", "row": 6, "series": "a"}
    assert (result.report.kept, result.report.rejected, result.report.snapped) == (6, 1, 0)
    assert result.report.reasons == {"off the grid": {"rows": 1, "valued": 1, "first": first}}


def test_by_no_a_source_without_a_row_on_the_grid_is_refused():
    grid = make_grid("1h", snap="no")
    with pytest.raises(InvalidInput, match="every row is off the grid of 1h"):
        table("1h", "2024-01-01T05:10:00Z", grid=grid)


def test_an_unknown_rule_is_refused():
    with pytest.raises(InvalidInput, match="--snap is 'up'; give one of nearest, floor, no"):
        table("1h", "2024-01-01T05:10:00Z", snap="up")


def test_a_stamp_may_be_half_a_step_ahead_of_the_tolerance(monkeypatch):
    monkeypatch.setattr(clock, "now", lambda: parse_ds("2026-02-10T12:00:00Z", "instant"))
    grid = make_grid("1h")
    assert starts(table("1h", "2026-02-10T12:30:00Z", grid=grid)) == ["2026-02-10T12:00:00Z"]
    with pytest.raises(InvalidInput, match="2026-02-10T12:30:01Z is ahead of the clock"):
        table("1h", "2026-02-10T12:30:01Z", grid=grid)
    before = make_grid("1h", [0, 10 * MINUTE], snap="floor")
    with pytest.raises(InvalidInput, match="is ahead of the clock"):
        table("1h", "2026-02-10T12:30:00Z", grid=before)
