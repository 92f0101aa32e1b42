"""Columns that would name the series, where most steps repeat with other values."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from data.errors import InvalidInput
from data.formats.options import SourceOptions
from data.quality.conform import conform, conform_all
from data.reading.intake import Intake
from data.sources.resolve import open_source

FIRST = datetime(2024, 1, 1, tzinfo=UTC)
RNG = np.random.default_rng(3)


def days(count, start=0):
    return [(FIRST + timedelta(days=start + day)).strftime("%Y-%m-%d") for day in range(count)]


def series(key, count, start=0, **columns):
    """`count` days of noise of one series."""
    return pl.DataFrame({"date": days(count, start), **key, "y": RNG.normal(20, 5, count).round(3), **columns})


def refusal(raw, **options):
    with pytest.raises(InvalidInput) as refused:
        conform(raw, SourceOptions(target_col="y", **options), "raw.csv")
    return str(refused.value)


def report(raw, **options):
    return conform(raw, SourceOptions(target_col="y", **options), "raw.csv").report


def told(raw):
    """What is said of a source that is refused; nothing where it is taken."""
    try:
        conform(raw, SourceOptions(target_col="y"), "raw.csv")
    except InvalidInput as refused:
        return str(refused)
    return ""


def shop():
    stores = [series({"store": [store] * 50, "item": [item] * 50}, 50) for store in (1, 2, 3) for item in (1, 2, 3, 4)]
    return pl.concat(stores)


def test_two_columns_of_numbers_that_name_the_series_together_are_named():
    for options in ({}, {"id_col": "item"}, {"id_col": "store"}):
        assert "which columns name the series? Give --id-col store,item;" in refusal(shop(), **options)
    found = report(shop(), id_col="store,item")
    assert (found.series, found.kept, found.id_column) == (12, 600, "store,item")


def test_a_series_that_starts_later_is_enough():
    tickers = pl.concat([series({"Ticker": ["AAA"] * 300}, 300), series({"Ticker": ["BBB"] * 120}, 120, start=180)])
    assert "Give --id-col Ticker; if all of it is one series, say with --keep" in refusal(tickers)
    assert report(tickers, id_col="Ticker").kept == 420
    assert report(tickers, keep="last").kept == 300  # the user said that it is one series


def test_a_few_rows_are_enough_where_every_step_repeats():
    pair = pl.concat([series({"who": [name] * 2}, 2) for name in "ab"])
    assert "--id-col who" in refusal(pair, freq="1d")


def test_a_name_with_a_blank_is_quoted():
    pair = pl.concat([series({"my sensor": [name] * 20}, 20) for name in "ab"])
    assert "--id-col 'my sensor'" in refusal(pair)


def test_rows_that_only_repeat_are_no_series():
    once = series({}, 100)
    twice = pl.concat([once.with_columns(copy=pl.lit(copy)) for copy in ("first", "second")])
    found = report(twice)
    assert (found.kept, found.duplicates) == (100, 100)


def test_a_later_file_that_corrects_an_earlier_one_is_no_series():
    intake = Intake(SourceOptions(target_col="y"), None)
    for name in ("first", "second"):
        intake.add_batches(iter([series({"version": [name] * 50}, 50).with_row_index("__row")]), "export.csv")
    assert conform_all(intake, "export", None).report.kept == 50


def test_a_flag_that_does_not_tell_the_rows_apart_is_not_named():
    noisy = pl.concat([series({"flag": RNG.choice(["ok", "warn"], 100)}, 100) for _ in range(2)])
    assert "flag" not in told(noisy) and "Give --id-col" not in told(noisy)


def test_a_measurement_that_seldom_repeats_is_not_named():
    wind = pl.concat([series({"wind": RNG.integers(0, 10_000, 100)}, 100) for _ in range(2)])
    assert "wind" not in told(wind) and "Give --id-col" not in told(wind)
    humid = pl.concat([series({"humidity": RNG.normal(50, 10, 100)}, 100) for _ in range(2)])
    assert "humidity" not in told(humid) and "Give --id-col" not in told(humid)


def test_some_wrong_rows_among_many_are_no_series():
    raw = pl.concat([series({"who": ["a"] * 600}, 600), series({"who": ["b"] * 4}, 4)])
    assert (report(raw).duplicates, report(raw).worst_series[0]["clashes"]) == (4, 4)


@pytest.mark.parametrize(("column", "first"), [("Hour", 1), ("Time", None)])
def test_a_time_of_day_in_a_column_of_its_own_is_no_series(column, first):
    hours = [f"{hour:02}:00" if first is None else hour + first for hour in range(24)]
    rows = pl.concat([series({column: [hour] * 30}, 30) for hour in hours])
    told = refusal(rows)
    assert f"does '{column}' hold their time of day? Give --time-col date,{column};" in told
    assert "--id-col" not in told
    two = pl.concat([rows.with_columns(pl.lit(site).alias("site"), pl.col("y") + RNG.normal()) for site in "ab"])
    assert f"Give --time-col date,{column} --id-col site;" in refusal(two)


def test_the_check_reaches_rows_on_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr("data.spill.MEMORY_BYTES", 10_000)
    shop().write_csv(tmp_path / "shop.csv")
    (piece,) = open_source(str(tmp_path / "shop.csv")).pieces
    intake = Intake(SourceOptions(target_col="y", id_col="item"), tmp_path / "typed")
    intake.add(piece.fetch(Path(tmp_path), None))
    assert len([where for where, _ in intake.parts() if where]) > 1
    with pytest.raises(InvalidInput, match="--id-col store,item"):
        conform_all(intake, "shop.csv", tmp_path / "long")


def timed(seconds, **columns):
    """Rows at these seconds after FIRST."""
    stamps = [(FIRST + timedelta(seconds=float(second))).isoformat() for second in seconds]
    return pl.DataFrame({"time": stamps, **columns, "y": RNG.normal(20, 5, len(stamps)).round(3)})


def test_series_that_never_meet_are_named_by_the_column_within_which_times_are_regular():
    days = {"sunday": 0, "wednesday": 3}
    weekly = [timed(86_400 * (7 * np.arange(60) + day), shop=[name] * 60) for name, day in days.items()]
    told = refusal(pl.concat(weekly))
    assert "column 'shop'" in told and "Give --id-col shop; if all of it is one series, say with --keep" in told
    assert report(pl.concat(weekly), id_col="shop").series == 2
    assert report(pl.concat(weekly), keep="last", freq="1d").series == 1  # the user said that it is one series


def test_jittered_sensors_are_named_though_few_of_their_times_meet():
    jitter = [timed(60 * np.arange(300) + RNG.uniform(-4, 4, 300), sensor=[name] * 300) for name in "abcde"]
    assert "Give --id-col sensor;" in refusal(pl.concat(jitter))
    shifted = [timed(300 * np.arange(300) + 40 * place, device=[f"d{place}"] * 300) for place in range(3)]
    assert "Give --id-col device;" in refusal(pl.concat(shifted))


def test_texts_beside_one_series_name_none():
    weekdays = np.array([day for day in range(200) if day % 7 < 5])
    names = [f"{FIRST + timedelta(days=int(day)):%A}" for day in weekdays]
    assert report(timed(86_400 * weekdays, weekday=names)).frequency == "1b"
    shifts = np.array([hour for hour in range(600) if hour % 24 < 8])  # the days follow each other, and take no turns
    assert report(timed(3_600 * shifts, day=[f"day {hour // 24}" for hour in shifts])).kept == 200
    at = np.cumsum(RNG.exponential(300, 300))
    assert report(timed(at, state=RNG.choice(["on", "off"], 300)), keep="mean", freq="5m").rows == 300
    with_gaps = 300 * RNG.choice(1_000, 600, replace=False)
    assert report(timed(with_gaps, state=RNG.choice(["on", "off"], 600))).kept == 600
