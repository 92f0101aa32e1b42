"""A row that is sent goes to the step, and gets the label, that the same row of a file does."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.formats.options import SourceOptions
from data.grid.durations import DAY
from data.grid.grid import Grid, make_grid
from data.grid.labels import END
from data.grid.stamps import EPOCH, format_ds
from data.quality.conform import conform
from data.schema import TIME
from data.store import catalogue
from data.store.catalogue import Dataset
from service.http.errors import ProblemError
from service.models.datasets import Directory, Served
from service.observe.arrivals import ReceivedRows, read
from service.observe.clock_rows import RIGHT, UNSET
from service.observe.observe_body import rows_in
from tests.support.service_kit import World, until

NOW = (datetime(2026, 6, 17, 12, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
FREQUENCIES = ["30s", "5m", "1h", "24h", "1d", "1b", "2d", "1w", "2w", "1mo", "1q", "1y"]


def served(grid: Grid, labels: dict[int, int] | None = None) -> Served:
    """The dataset "d" with the series "a", whose id is 1; it creates series."""
    dataset = Dataset(1, "d", grid, 12, 6, None, "y", False, 0, auto_create=True)
    return Served(dataset, {"a": 1}, labels=labels or {})


def sent(dataset: Served, unique_id: str, *stamps: str) -> ReceivedRows:
    rows = [{"unique_id": unique_id, "ds": ds, "y": float(place)} for place, ds in enumerate(stamps)]
    return read(rows_in(rows), Directory.of({"d": dataset}), NOW, 0)


def steps_by_place(received: ReceivedRows) -> dict[int, int]:
    (part,) = received.parts
    return dict(zip(part.place.tolist(), part.rows.steps.tolist(), strict=True))


@settings(max_examples=60)
@given(
    freq=st.sampled_from([freq for freq in FREQUENCIES if freq != "1b"]),  # closed days: see test_closed_days.py
    history=st.lists(st.integers(0, 700), min_size=1, max_size=8),
    later=st.lists(st.integers(0, 700), min_size=1, max_size=8),
    hours=st.integers(-12, 14),
)
def test_a_row_that_is_sent_has_the_step_and_the_label_of_the_same_row_in_a_file(freq, history, later, hours):
    """history, later: stamps of the file that makes the dataset and of rows after it, in seventieths of a step."""
    unit = max(make_grid(freq).every, {"mo": 30 * DAY, "q": 91 * DAY, "y": 365 * DAY}.get(freq.lstrip("12"), 1))
    unit = DAY if freq == "1b" else unit
    kind = make_grid(freq).kind
    first = (datetime(2001, 5, 3, 7, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)

    def stamp(part: int) -> str:
        ds = first + part * unit // 70 + hours * 3_600_000_000 * (kind == "instant")
        return str(format_ds(ds // DAY * DAY if kind == "date" else ds // 1_000_000 * 1_000_000, kind))

    def file(unique_id: str, parts: list[int], grid: Grid | None, labels: dict[str, int]):
        columns = {"unique_id": unique_id, "ds": [stamp(part) for part in parts], "y": [1.0] * len(parts)}
        return conform(pl.DataFrame(columns), SourceOptions(freq=freq, keep="last"), "file", grid, labels)

    made = file("a", history, None, {})
    labels = {1: made.labels["a"]} if made.grid.labelled else {}
    for unique_id, known in (("a", dict(made.labels)), ("new", {})):
        rows = [stamp(part) for part in later]
        received = sent(served(made.grid, labels), unique_id, *rows)
        stored = file(unique_id, later, made.grid, known)
        assert sorted(set(steps_by_place(received).values())) == made.grid.steps(stored.frame[TIME]).tolist()
        assert [series.label for series in received.new_series] == (
            [stored.labels.get("new")] if unique_id == "new" else []
        )
        assert received.parts[0].snapped == stored.report.snapped


def test_a_stamp_between_two_steps_goes_to_the_nearest_and_is_counted():
    received = sent(
        served(make_grid("5m")), "a", "2026-06-17T11:02:30Z", "2026-06-17T11:02:31Z", "2026-06-17T11:10:00Z"
    )
    first, second, third = steps_by_place(received).values()
    assert (second - first, third - first, received.parts[0].snapped) == (1, 2, 2)


def test_by_no_a_stamp_between_two_steps_is_rejected_and_pointed_at():
    dataset = served(make_grid("5m", snap="no"))
    received = sent(dataset, "a", "2026-06-17T11:00:00Z", "2026-06-17T11:02:00Z")
    assert list(steps_by_place(received)) == [0]
    assert [(fault.pointer, fault.message) for fault in received.faults] == [("/1/ds", "is off the grid")]
    with pytest.raises(ProblemError) as caught:
        sent(dataset, "a", "2026-06-17T11:02:00Z")
    assert (caught.value.status, caught.value.code) == (422, "every_row_rejected")


@pytest.mark.parametrize(
    ("freq", "latest", "ahead"),
    [
        ("1h", "2026-06-17T12:30:00Z", "2026-06-17T12:30:01Z"),  # the step of 13:00 is nearer
        ("1d", "2026-06-18", "2026-06-19"),  # it may be tomorrow elsewhere
        ("1mo", "2026-06-30", "2026-07-01"),  # the month that runs
        ("1w", "2026-06-21", "2026-06-22"),  # the week from Monday on
    ],
)
def test_a_stamp_may_be_ahead_by_half_a_step_or_in_the_period_that_runs(freq, latest, ahead):
    monday = (datetime(2026, 6, 15, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
    dataset = served(make_grid(freq, np.array([monday])))
    assert sent(dataset, "a", latest).faults == []
    clocks = [sent(dataset, "a", stamp).parts[0].clock.tolist() for stamp in (latest, ahead)]
    assert clocks == [[RIGHT], [UNSET]]


# --- in a running service ---------------------------------------------------------------------------------------------


@pytest.fixture
def world(tmp_path):
    """A dataset of months without a model, which creates series, and the series "known", which ends its months."""
    world = World.at(tmp_path)
    dataset = catalogue.put_dataset(world.engine, "months", grid=make_grid("1mo"), season=12, horizon=6, target="value")
    catalogue.set_creation(world.engine, dataset.id, auto_create=True)
    (known,) = catalogue.ensure_series(world.engine, dataset.id, ["known"]).values()
    catalogue.keep_labels(world.engine, dataset, {known: END})
    return world


def labels(world):
    dataset = catalogue.dataset(world.engine, "months")
    names = dict(catalogue.series(world.engine, dataset.id))
    return {names[number]: label for number, label in catalogue.labels(world.engine, dataset).items()}


def post(client, *rows):
    answer = client.post("/v1/observations", json=[{"unique_id": i, "ds": ds, "y": 1.0} for i, ds in rows])
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_first_stamp_of_a_new_series_decides_its_label_for_good(world):
    with world.serving() as client:
        assert (
            post(client, ("ends", "2024-01-31"), ("starts", "2024-01-01"), ("fifteenth", "2024-01-15"))["snapped"] == 0
        )
        assert labels(world) == {"known": END, "ends": END, "starts": 0, "fifteenth": 14}
        answer = post(client, ("ends", "2024-02-01"), ("fifteenth", "2024-02-15"))
        assert (answer["snapped"], answer["outcomes"]) == (1, ["applied", "applied"])
    assert labels(world) == {"known": END, "ends": END, "starts": 0, "fifteenth": 14}


def test_a_series_that_was_created_without_rows_gets_its_label_with_the_first(world):
    with world.serving() as client:
        created = client.post("/v1/series", json={"unique_id": "empty", "dataset": "months"})
        assert (created.status_code, "empty" in labels(world)) == (201, False)
        post(client, ("empty", "2024-03-31"))
        assert labels(world)["empty"] == END
        assert post(client, ("empty", "2024-04-30"))["snapped"] == 0


def test_a_label_that_an_ingest_stored_meanwhile_stays(world):
    with world.serving() as client:
        client.post("/v1/series", json={"unique_id": "meanwhile", "dataset": "months"})
        dataset = catalogue.dataset(world.engine, "months")
        number = world.number(dataset, "meanwhile")
        catalogue.keep_labels(world.engine, dataset, {number: 14})
        post(client, ("meanwhile", "2024-03-31"))
        assert labels(world)["meanwhile"] == 14
        directory = client.app.state.runtime.directory
        until(lambda: directory.datasets["months"].labels[number] == 14)
