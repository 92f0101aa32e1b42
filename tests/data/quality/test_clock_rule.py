"""Rows of a clock that was not set are given back apart, whatever else the source holds."""

import polars as pl
import pytest

from data import clock
from data.errors import InvalidInput
from data.formats.options import SourceOptions
from data.grid.grid import Grid
from data.grid.stamps import parse_ds
from data.quality.clock_rule import KnownRows
from data.quality.conform import conform_all
from data.reading.intake import Intake

NOW = "2026-11-30T12:00:00Z"
HOURS = [f"2026-11-0{day}T{hour:02}:00:00Z" for day in (1, 2) for hour in range(24)]


@pytest.fixture(autouse=True)
def set_clock(monkeypatch):
    monkeypatch.setattr(clock, "now", lambda: parse_ds(NOW, "instant"))


def conformed(*stamps: str, freq: str = "1h", known: KnownRows | None = None, y: float | None = 1.0):
    """Rows of the series `s`; those of HOURS have the value 0, the others `y`."""
    values = [0.0 if stamp in HOURS else y for stamp in stamps]
    raw = pl.DataFrame({"ds": stamps, "y": values}, schema={"ds": pl.String, "y": pl.Float64})
    intake = Intake(SourceOptions(freq=freq, series="s"), None)
    intake.add_batches(iter([raw.with_row_index("__row", offset=2)]), "s.csv")
    grid = Grid(freq) if known else None
    return conform_all(intake, "s.csv", None, grid, tolerance=300_000_000, known=known)


def stored(first: str, last: str, released: tuple = ()) -> KnownRows:
    ends = pl.DataFrame({
        "unique_id": ["s"], "first_stored": [parse_ds(first, "instant")], "last_stored": [parse_ds(last, "instant")]
    })  # fmt: skip
    schema = {"unique_id": pl.String, "ds": pl.Int64, "y": pl.Float64}
    return KnownRows(ends, pl.DataFrame([released] if released else [], schema=schema, orient="row"))


@pytest.mark.parametrize(
    "stamp",
    [
        "1970-01-01T00:00:36Z",  # Unix
        "1970-01-02T23:00:00Z",  # it ran for two days
        "1969-12-31T20:00:00Z",  # written in another zone
        "1980-01-06T00:00:00Z",  # GPS
        "2000-01-01T00:00:00Z",
        "2036-02-07T06:28:16Z",  # NTP's second era
        "2026-11-30T13:00:00Z",  # an hour ahead
    ],
)
def test_a_row_of_an_unset_clock_is_given_back_apart(stamp):
    result = conformed(stamp, *HOURS)
    assert (result.report.kept, result.report.gaps, result.report.first) == (48, 0, HOURS[0])
    assert [(found.unique_id, found.y, found.rule) for found in result.clock] == [("s", 1.0, "clock")]
    assert result.clock[0].ds == parse_ds(stamp[:14] + "00:00Z", "instant")  # the begin of its step


@pytest.mark.parametrize("stamp", ["1970-01-03T00:00:01Z", "1999-12-29T23:00:00Z", "2026-11-30T12:05:00Z"])
def test_other_rows_stay(stamp):
    assert conformed(stamp, *HOURS).report.kept == 49


def test_a_series_that_begins_near_a_start_keeps_its_first_rows():
    days = [f"2000-01-{day:02}" for day in range(1, 20)]
    result = conformed(*days, freq="1d")
    assert (result.report.kept, result.clock) == (19, [])


def test_a_yearly_series_keeps_the_year_2000_also_beside_missing_years():
    result = conformed("1996-01-01", "1998-01-01", "2000-01-01", "2002-01-01", "2003-01-01", freq="1y")
    assert (result.report.kept, result.clock) == (5, [])


def test_the_rest_of_a_series_may_be_in_the_dataset():
    known = stored("2026-10-01T00:00:00Z", "2026-10-31T23:00:00Z")
    with pytest.raises(InvalidInput, match=r"row 2: 1970-01-01T00:00:00Z is of a clock that was not set, and the row"):
        conformed("1970-01-01T00:00:00Z", known=known)  # all of a file: its form is wrong
    assert len(conformed("1970-01-01T00:00:00Z", *HOURS, known=known).clock) == 1
    old = stored("1969-10-01T00:00:00Z", "2026-10-31T23:00:00Z")
    assert conformed("1970-01-01T00:00:00Z", *HOURS, known=old).clock == []  # within the series


def test_a_value_that_was_released_passes():
    at = parse_ds("2036-02-07T06:00:00Z", "instant")
    known = stored(HOURS[0], HOURS[-1], ("s", at, 1.0))
    assert conformed("2036-02-07T06:28:16Z", *HOURS, known=known).report.kept == 49


def test_rows_without_a_value_may_be_planned_but_not_of_1970():
    result = conformed("1970-01-01T00:00:00Z", *HOURS, "2026-12-24T00:00:00Z", y=None)
    assert (result.report.kept, result.report.last, result.clock) == (49, "2026-12-24T00:00:00Z", [])
    assert list(result.report.reasons) == ["of a clock that was not set, and without a value"]


def test_more_than_half_of_the_values_refuse_the_source():
    ahead = [f"2036-02-07T{hour:02}:00:00Z" for hour in range(24)]
    assert len(conformed(*HOURS[:24], *ahead).clock) == 24
    with pytest.raises(
        InvalidInput, match=r"2036-02-07T00:00:00Z is ahead of the clock, and so are others: 24 of 47 v"
    ):
        conformed(*HOURS[:23], *ahead)


def test_the_watermark_of_a_source_is_never_ahead_of_the_clock():
    intake = Intake(SourceOptions(freq="1h", series="s"), None)
    raw = pl.DataFrame({"ds": [*HOURS, "2036-02-07T06:28:16Z"], "y": 1.0})
    assert intake.newest_time(intake.add_batches(iter([raw.with_row_index("__row")]), "s.csv")) == HOURS[-1]
