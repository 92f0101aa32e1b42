"""A request's rows are all right or none of them counts; what is wrong is pointed at."""

import pytest

from data.calendars import DAY, Grid
from data.catalogue import Dataset
from service.arrivals import read
from service.datasets import Directory, Served
from service.errors import Problem
from tests.service_kit import FIVE, START, stamp

NOW = START + 100 * FIVE
TOLERANCE = FIVE


def dataset(number: int, name: str, freq: str) -> Served:
    grid = Grid(freq)
    return Served(Dataset(number, name, grid, 12, 6, None, "y", False, 0), {"a": 10 * number, name: 10 * number + 1})


DIRECTORY = Directory.of(
    {name: dataset(i, name, freq) for i, (name, freq) in enumerate([("five", "5m"), ("day", "1d"), ("count", "1")], 1)}
)
GOOD = {"unique_id": "five", "ds": stamp(0), "y": 1.5}


def refused(document) -> tuple[int, list[str]]:
    with pytest.raises(Problem) as caught:
        read(document, DIRECTORY, NOW, TOLERANCE)
    assert all(len(fault.message) < 100 for fault in caught.value.errors)
    return caught.value.status, [fault.pointer for fault in caught.value.errors]


@pytest.mark.parametrize("y", ["1.5", True, False, [], {}, 1e31, -1e31, 10**40, ""], ids=repr)
def test_a_value_is_a_number_or_null(y):
    assert refused([GOOD, {**GOOD, "y": y}]) == (422, ["/1/y"])


@pytest.mark.parametrize(
    "ds",
    [
        "2023-11-14T22:15:00",  # naive
        "2023-11-14 22:15:00Z",
        "2023-11-14",
        "2023-02-30T00:00:00Z",
        "2023-11-14T24:00:00Z",
        "1700000100",
        1_700_000_100,
        1700000100.0,
        None,
        True,
        stamp(102),  # ten minutes ahead of the clock
        "9999-12-31T23:59:59-01:00",
    ],
    ids=repr,
)
def test_an_instant_is_written_with_its_offset_and_not_in_the_future(ds):
    assert refused([{**GOOD, "ds": ds}]) == (422, ["/0/ds"])


@pytest.mark.parametrize("ds", ["2023-11-14T00:00:00Z", 20231114, "20231114", "2023-11-32", "2023-11-18"], ids=repr)
def test_a_date_is_a_date_and_at_most_tomorrow(ds):
    assert refused([{"unique_id": "day", "ds": ds, "y": 1}]) == (422, ["/0/ds"])


@pytest.mark.parametrize("ds", ["7", 7.0, True, None, 10**19], ids=repr)
def test_a_step_is_an_integer(ds):
    assert refused([{"unique_id": "count", "ds": ds, "y": 1}]) == (422, ["/0/ds"])


@pytest.mark.parametrize(
    ("document", "pointers"),
    [
        ([], [""]),
        ({"observations": []}, ["/observations"]),
        ({"observations": GOOD}, ["/observations"]),
        ({"observations": [GOOD], "more": 1}, [""]),
        ("text", [""]),
        (None, [""]),
        (7, [""]),
        ([GOOD, None, 3], ["/1", "/2"]),
        ({**GOOD, "ds": None}, ["/ds"]),
        ([{**GOOD, "extra": 1}], ["/0"]),
        ([{"unique_id": "five"}], ["/0/ds", "/0/y"]),
        ([{**GOOD, "unique_id": 5}], ["/0/unique_id"]),
        ([{**GOOD, "dataset": 5}], ["/0/dataset"]),
        ({"observations": [{**GOOD, "y": "1"}, {**GOOD, "ds": 3}]}, ["/observations/0/y", "/observations/1/ds"]),
    ],
    ids=str,
)
def test_a_body_of_another_shape_is_pointed_at(document, pointers):
    assert refused(document) == (422, pointers)


def test_a_series_that_nobody_stored_is_not_found():
    assert refused([GOOD, {**GOOD, "unique_id": "nobody"}]) == (404, ["/1/unique_id"])
    assert refused([{**GOOD, "dataset": "day"}]) == (404, ["/0/unique_id"])
    assert refused([{**GOOD, "dataset": "nothing"}]) == (404, ["/0/unique_id"])


def test_a_series_of_several_datasets_must_say_which():
    with pytest.raises(Problem) as caught:
        read([{**GOOD, "unique_id": "a"}], DIRECTORY, NOW, TOLERANCE)
    assert caught.value.status == 409
    assert caught.value.extensions == {"candidates": ["count", "day", "five"]}
    (arrivals,) = read([{**GOOD, "unique_id": "a", "dataset": "five"}], DIRECTORY, NOW, TOLERANCE)
    assert arrivals.series.tolist() == [10]


def test_twenty_faults_are_enough():
    assert len(refused([{**GOOD, "y": "x"}] * 1000)[1]) == 20


def test_rows_become_columns_in_the_order_of_time_and_on_the_grid():
    sent = [{**GOOD, "ds": stamp(2), "y": 3}, {**GOOD, "ds": "2023-11-14T22:17:30Z", "y": None}]
    (arrivals,) = read(sent, DIRECTORY, NOW, TOLERANCE)
    assert arrivals.place.tolist() == [1, 0]
    assert arrivals.ds.tolist() == [START, START + 2 * FIVE]
    assert arrivals.snapped == 1
    assert arrivals.values[0] != arrivals.values[0]
    assert arrivals.values[1] == 3.0


def test_an_offset_names_the_same_instant():
    (arrivals,) = read([{**GOOD, "ds": "2023-11-15T00:15:00+02:00"}], DIRECTORY, NOW, TOLERANCE)
    assert arrivals.ds.tolist() == [START]


def test_tomorrow_s_date_is_taken_for_it_has_begun_elsewhere():
    (arrivals,) = read([{"unique_id": "day", "ds": "2023-11-16", "y": 1}], DIRECTORY, NOW, TOLERANCE)
    assert arrivals.ds[0] % DAY == 0
