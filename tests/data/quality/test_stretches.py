"""Constant stretches, and the series with most to report."""

import numpy as np
import polars as pl

from data.formats.options import SourceOptions
from data.quality.conform import conform
from data.quality.stretches import find_stretches
from data.quality.worst_series import TroubledSeries, worst_of

RNG = np.random.default_rng(5)


def frame(**series):
    """One row for each value, at steps 0, 1, 2 …"""
    parts = [
        pl.DataFrame({"unique_id": name, "ds": np.arange(len(y)), "y": np.asarray(y, float), "__code": code})
        for code, (name, y) in enumerate(sorted(series.items()))
    ]
    return pl.concat(parts)


def noise(count):
    return RNG.normal(20, 1, count)


def found(rows, season=1440, past=None):
    stretches = find_stretches(rows, season, past)
    return list(zip(stretches.code.tolist(), stretches.start.tolist(), stretches.steps.tolist(), strict=True))


def test_a_stuck_sensor_is_found_long_before_a_season_has_passed():
    stuck = [*noise(500), *[21.0] * 678, *noise(500)]
    assert found(frame(a=noise(1678), b=stuck)) == [(1, 500, 678)]


def test_a_stretch_is_compared_with_those_before_it_in_its_own_series():
    steady = [*noise(20), *[5.0] * 30, *noise(20), *[5.0] * 90, *noise(20), *[5.0] * 271]
    assert found(frame(a=steady)) == [(0, 20, 30), (0, 180, 271)]  # 90 is three times 30, no more
    calm = [*noise(20), *[5.0] * 12]
    assert found(frame(a=calm, b=steady)) == [(0, 20, 12), (1, 20, 30), (1, 180, 271)]


def test_a_season_of_equal_values_is_reported_without_any_past():
    assert found(frame(a=[0.0] * 24, b=[0.0] * 23), season=24) == [(0, 0, 24)]


def test_without_a_past_and_below_ten_values_nothing_is_unusual():
    assert found(frame(a=[*noise(5), *[1.0] * 12, *noise(9)], b=[*noise(30), *[1.0] * 9])) == []
    assert found(frame(a=[np.nan] * 40)) == []


def test_a_stretch_that_goes_on_in_a_later_file_is_compared_with_what_is_stored():
    rows = frame(a=[*noise(300), *[7.0] * 40])
    past, new = rows.filter(pl.col("ds") < 320).drop("__code"), rows.filter(pl.col("ds") >= 320)
    assert found(new, past=past) == [(0, 300, 40)]
    assert found(new) == []
    usual = frame(a=[*noise(50), *[7.0] * 30, *noise(50), *[7.0] * 60])
    past, new = usual.filter(pl.col("ds") < 130).drop("__code"), usual.filter(pl.col("ds") >= 130)
    assert found(new, past=past) == []  # the stored stretch of 30 is not new, and 60 is not more than three of it


def test_the_report_has_the_ten_worst_series():
    steps = np.arange(400)
    parts = [
        pl.DataFrame({"unique_id": f"s{number:02}", "t": np.delete(steps, np.arange(100, 100 + number))})
        for number in range(15)
    ]
    raw = pl.concat(parts).with_columns(pl.Series("y", noise(sum(map(len, parts)))))
    worst = conform(raw, SourceOptions(freq="1"), "x").report.worst_series
    assert [one["series"] for one in worst] == [f"s{number:02}" for number in range(14, 4, -1)]
    assert worst[0] == {
        "series": "s14", "rows": 386, "gaps": 14, "longest_gap": 14, "constant": 0, "longest_constant": 0,
        "constant_from": None, "clashes": 0,
    }  # fmt: skip


def test_a_series_tells_where_its_longest_stretch_begins_and_how_often_it_clashes():
    y = [*noise(30), *[1.0] * 12, *noise(30), *[1.0] * 50]
    raw = pl.DataFrame({"unique_id": "a", "t": range(len(y)), "y": y})
    again = raw.slice(3, 2).with_columns(pl.col("y") + 1)
    (only,) = conform(pl.concat([raw, again]), SourceOptions(freq="1"), "x").report.worst_series
    assert (only["constant"], only["longest_constant"], only["constant_from"], only["clashes"]) == (62, 50, 72, 2)


def test_equal_ones_are_ordered_by_name():
    same = [TroubledSeries(name, 5, 1, 1, 0, 0, None, 0) for name in "cab"]
    assert [one.series for one in worst_of(same)] == ["a", "b", "c"]
