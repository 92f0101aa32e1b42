"""A row of another shape refuses its request; a row that cannot be stored is refused alone. Both are pointed at."""

import pytest

from data.grid.durations import DAY
from data.grid.grid import Grid, make_grid
from data.store.catalogue import Dataset
from service.http.errors import ProblemError
from service.models.datasets import Directory, Served
from service.observe.arrivals import Arrivals, ReceivedRows, read
from service.observe.observe_body import lines_in, rows_in
from tests.support.service_kit import FIVE, START, stamp

NOW = START + 100 * FIVE
TOLERANCE = FIVE


def dataset(number: int, name: str, freq: str) -> Served:
    grid = Grid(freq)
    return Served(Dataset(number, name, grid, 12, 6, None, "y", False, 0), {"a": 10 * number, name: 10 * number + 1})


DIRECTORY = Directory.of(
    {name: dataset(i, name, freq) for i, (name, freq) in enumerate([("five", "5m"), ("day", "1d"), ("count", "1")], 1)}
)
GOOD = {"unique_id": "five", "ds": stamp(0), "y": 1.5}


def received(body) -> ReceivedRows:
    return read(body, DIRECTORY, NOW, TOLERANCE)


def taken(document) -> Arrivals:
    """The rows of a request that belong to one dataset, all of them stored."""
    found = received(rows_in(document))
    assert found.faults == []
    return found.parts[0]


def stamps(arrivals: Arrivals) -> list[int]:
    """The stamp of each row's step."""
    return arrivals.served.dataset.grid.stamps(arrivals.rows.steps).tolist()


def problem(document) -> ProblemError:
    """What answers a request of which nothing is stored."""
    with pytest.raises(ProblemError) as caught:
        received(rows_in(document))
    assert all(len(fault.message) < 100 for fault in caught.value.errors)
    return caught.value


def misshapen(document) -> list[str]:
    """Pointers at the rows that have another shape: they refuse the request, whatever stands beside them."""
    found = problem(document)
    assert (found.status, found.code) in {(422, "invalid_observation"), (422, "invalid_body")}
    return [fault.pointer for fault in found.errors]


def refused(*rows) -> list[str]:
    """Pointers at the rows that are refused: alone they are 422, beside a good row they are left out."""
    found = problem(list(rows))
    assert (found.status, found.code) == (422, "every_row_rejected")
    beside = received(rows_in([*rows, GOOD]))
    assert beside.faults == list(found.errors)
    assert [part.place.tolist() for part in beside.parts] == [[len(rows)]]
    return [fault.pointer for fault in found.errors]


@pytest.mark.parametrize("y", ["1.5", True, False, [], {}, ""], ids=repr)
def test_a_value_is_a_number_or_null(y):
    assert misshapen([GOOD, {**GOOD, "y": y}]) == ["/1/y"]


@pytest.mark.parametrize("y", [1e31, -1e31, 10**40], ids=repr)
def test_a_value_that_no_sensor_reads_is_refused(y):
    assert refused({**GOOD, "y": y}) == ["/0/y"]


@pytest.mark.parametrize("ds", [1700000100.0, None, True, [], {}], ids=repr)
def test_a_stamp_is_text_or_an_integer(ds):
    assert misshapen([GOOD, {**GOOD, "ds": ds}]) == ["/1/ds"]


@pytest.mark.parametrize(
    "ds",
    [
        "2023-11-14T22:15:00",  # naive
        "2023-11-14",
        "2023-02-30T00:00:00Z",
        "2023-11-14T24:00:00Z",
        "1700000100",
        1_700_000_100,
        stamp(102),  # ten minutes ahead of the clock
        "9999-12-31T23:59:59-01:00",
        "0001-01-01T00:00:00+01:00",  # in the year before the first
    ],
    ids=repr,
)
def test_an_instant_is_written_with_its_offset_and_not_in_the_future(ds):
    assert refused({**GOOD, "ds": ds}) == ["/0/ds"]


@pytest.mark.parametrize(
    "ds",
    ["2023-11-14T00:00:00Z", "2023-11-14T00:00:00+01:00", 20231114, "20231114", "2023-11-32", "2023-11-18"],
    ids=repr,
)
def test_a_date_is_a_date_and_at_most_tomorrow(ds):
    assert refused({"unique_id": "day", "ds": ds, "y": 1}) == ["/0/ds"]


@pytest.mark.parametrize("ds", ["7", stamp(0), 10**19], ids=repr)
def test_a_step_is_an_integer(ds):
    assert refused({"unique_id": "count", "ds": ds, "y": 1}) == ["/0/ds"]


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
        ([{"unique_id": "five"}], ["/0/ds"]),
        ([{"ds": stamp(0), "y": 1.5}], ["/0/unique_id"]),
        ([{**GOOD, "unique_id": None}], ["/0/unique_id"]),
        ([{**GOOD, "unique_id": 5}], ["/0/unique_id"]),
        ([{**GOOD, "dataset": 5}], ["/0/dataset"]),
        ({"observations": [{**GOOD, "y": "1"}, {**GOOD, "ds": 3.5}]}, ["/observations/0/y", "/observations/1/ds"]),
        ([{**GOOD, "unique_id": "nobody"}, {**GOOD, "y": "1"}], ["/1/y"]),
    ],
    ids=str,
)
def test_a_body_of_another_shape_is_pointed_at(document, pointers):
    assert misshapen(document) == pointers


def test_rows_of_a_series_that_nobody_stored_are_refused_alone():
    assert refused({**GOOD, "unique_id": "nobody"}) == ["/0/unique_id"]
    assert refused({**GOOD, "dataset": "day"}, {**GOOD, "dataset": "nothing"}) == ["/0/unique_id", "/1/unique_id"]


def test_a_series_of_several_datasets_must_say_which():
    assert refused({**GOOD, "unique_id": "a"}) == ["/0/unique_id"]
    assert taken([{**GOOD, "unique_id": "a", "dataset": "five"}]).rows.series.tolist() == [10]


def test_twenty_faults_are_enough():
    assert len(misshapen([{**GOOD, "y": "x"}] * 1000)) == 20
    assert len(refused(*[{**GOOD, "unique_id": "nobody"}] * 1000)) == 20


def test_refused_rows_keep_their_place_among_the_others():
    found = received(
        rows_in([{**GOOD, "y": 1e31}, GOOD, {**GOOD, "ds": "soon"}, {"unique_id": "day", "ds": "2023-11-14", "y": 2}])
    )
    assert found.rows == 4
    assert [fault.pointer for fault in found.faults] == ["/0/y", "/2/ds"]
    assert sorted(part.place.tolist() for part in found.parts) == [[1], [3]]


def test_every_line_is_a_document_of_its_own():
    lines = (
        b'{"unique_id": "five", "ds": "2023-11-14T22:15:00Z", "y": 1}\r\n'
        b"\n"
        b'{"unique_id": "five", "ds": "2023-11-14T22:20:00Z", "y": NaN}\n'
        b"  \r\n"
        b'{"unique_id": "five", "ds": \n'
        b'[{"unique_id": "five"}]\n'
        b'{"unique_id": "five", "ds": "2023-11-14T22:25:00Z", "y": "3"}\n'
        b'{"unique_id": "five", "ds": "2023-11-14T22:30:00Z", "y": 4}'  # the last line may do without its end
    )
    found = received(lines_in(lines))
    assert found.rows == 6
    assert [fault.pointer for fault in found.faults] == ["/line/3/y", "/line/5", "/line/6", "/line/7/y"]
    assert [(part.place.tolist(), part.rows.values.tolist()) for part in found.parts] == [([0, 5], [1.0, 4.0])]


def test_lines_of_which_none_is_a_row_are_a_problem():
    for content in (b"", b"\n \r\n", b"nothing\n"):
        with pytest.raises(ProblemError) as caught:
            received(lines_in(content))
        assert caught.value.status == 422


def test_rows_become_columns_in_the_order_of_time_and_on_the_grid():
    sent = [{**GOOD, "ds": stamp(2), "y": 3}, {**GOOD, "ds": "2023-11-14T22:17:30Z", "y": None}]
    arrivals = taken(sent)
    assert arrivals.place.tolist() == [1, 0]
    assert stamps(arrivals) == [START, START + 2 * FIVE]
    assert arrivals.snapped == 1
    assert arrivals.rows.values[0] != arrivals.rows.values[0]
    assert arrivals.rows.values[1] == 3.0


def test_an_offset_names_the_same_instant():
    assert stamps(taken([{**GOOD, "ds": "2023-11-15T00:15:00+02:00"}])) == [START]


def places(zone: str | None, freq: str, *sent: str, **memory: str) -> list[int]:
    """Microseconds since 1970 of the steps of stamps that a new dataset of this zone takes."""
    served = Served(Dataset(9, "new", make_grid(freq), 12, 6, zone, "y", False, 0, memory=memory), {"new": 9})
    body = rows_in([{"unique_id": "new", "ds": stamp, "y": 1.0} for stamp in sent])
    found = read(body, Directory.of({"new": served}), NOW, TOLERANCE)
    assert found.faults == []
    return stamps(found.parts[0])


@pytest.mark.parametrize(
    "ds",
    ["2023-11-14T22:15:00.0000001Z", "2023-11-14T22:15:00.000000123Z", "2023-11-14T22:15Z", "2023-11-14 22:15:00+00",
     "2023-11-14 23:15 +0100", "14.11.2023 22:15 UTC", "20231114T221500Z"],
)  # fmt: skip
def test_an_instant_is_read_in_the_forms_that_files_have(ds):
    assert places(None, "5m", ds) == [START]


def test_a_dataset_s_zone_is_that_of_stamps_without_an_offset():
    assert places("Europe/Paris", "5m", "2023-11-14T23:15:00", "2023-11-14 23:20") == [START, START + FIVE]


def test_a_local_time_that_exists_twice_is_refused_alone():
    served = Served(Dataset(9, "new", make_grid("5m"), 12, 6, "Europe/Paris", "y", False, 0), {"new": 9})
    rows = [{"unique_id": "new", "ds": f"2023-10-29T0{hour}:30:00", "y": 1.0} for hour in (1, 2, 3)]
    found = read(rows_in(rows), Directory.of({"new": served}), NOW, TOLERANCE)
    assert [(fault.pointer, fault.message) for fault in found.faults] == [
        ("/1/ds", "is a local time that a change of clocks skips or repeats; send it with its offset")
    ]
    assert found.parts[0].place.tolist() == [0, 2]


def test_a_day_is_the_date_that_was_written_or_that_of_the_dataset_s_zone():
    midnight = "2023-11-14T00:00:00+01:00"
    assert places(None, "1d", midnight) == places(None, "1d", "2023-11-14")
    assert places("America/New_York", "1d", midnight) == places(None, "1d", "2023-11-13")


def test_day_and_month_have_the_order_of_the_dataset_s_files():
    assert places(None, "1d", "05/11/2023", date_format="%d/%m/%Y") == places(None, "1d", "2023-11-05")


def test_tomorrow_s_date_is_taken_for_it_has_begun_elsewhere():
    assert stamps(taken([{"unique_id": "day", "ds": "2023-11-16", "y": 1}]))[0] % DAY == 0
