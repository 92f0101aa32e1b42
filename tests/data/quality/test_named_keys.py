"""A column whose name says that it names things, beside times that are regular as a whole."""

import polars as pl
import pytest

from data.errors import InvalidInput
from data.formats.options import SourceOptions
from data.grid.grid import Grid
from data.quality.conform import conform
from data.quality.key_check import names_things

HALF_HOURS = [f"2024-01-{i // 48 + 1:02} {i // 2 % 24:02}:{30 * (i % 2):02}" for i in range(480)]
DAYS = [f"2024-{month:02}-{day:02}" for month in (1, 2, 3) for day in range(1, 29)]


def table(times, name, keys):
    return pl.DataFrame({"ds": times, name: keys, "y": [float(i % 7) for i in range(len(times))]})


def taken(raw, grid=None, **options):
    return conform(raw, SourceOptions(target_col="y", tz="UTC", **options), "plant.csv", grid).report


@pytest.mark.parametrize("keys", [[1, 2] * 240, ["north", "south"] * 240])
def test_series_that_take_turns_evenly_are_asked_about(keys):
    raw = table(HALF_HOURS, "ph_num", keys)
    with pytest.raises(InvalidInput, match=r"column 'ph_num': .*take turns .*Give --id-col ph_num; .*--series"):
        taken(raw)
    found = taken(raw, id_col="ph_num")
    assert (found.series, found.frequency) == (2, "1h")
    assert taken(raw, series="plant").series == taken(raw, keep="last").series == 1


def test_series_that_follow_each_other_are_asked_about():
    raw = table(DAYS, "pumpId", [f"p{i // 28}" for i in range(84)])
    with pytest.raises(InvalidInput, match=r"follow each other.*--id-col pumpId"):
        taken(raw)


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("weekday", [i % 7 for i in range(84)]),
        ("month", [f"m{i // 28}" for i in range(84)]),
        ("sensor_id", ["one"] * 84),
        ("sensor_id", [f"s{i * i % 5}" for i in range(84)]),  # in no order
        ("sensor_id", ["a"] * 40 + ["b"] * 10 + ["a"] * 34),  # comes back
        ("row_id", list(range(84))),
        ("sensor_value", [i % 2 + 0.5 for i in range(84)]),
    ],
)
def test_other_columns_leave_one_series(name, keys):
    assert taken(table(DAYS, name, keys)).series == 1


def test_a_dataset_that_is_known_is_not_asked_about_again():
    raw = table(DAYS, "pump_id", [f"p{i // 28}" for i in range(84)])
    assert taken(raw, Grid("1d", civil=True)).series == 1


def test_a_name_is_read_by_its_words():
    assert all(map(names_things, ("ph_num", "storeId", "Sensor", "station name", "item-no-id")))
    assert not any(map(names_things, ("no2", "humidity", "weekday", "width", "video")))
