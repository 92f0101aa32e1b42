"""Rows of a clock that was not set are quarantined over HTTP too, and enter neither log nor state."""

import polars as pl
import pytest

from data import clock
from data.formats.options import SourceOptions
from data.grid.grid import Grid
from data.grid.stamps import format_ds
from data.quality.clock_rule import KnownRows
from data.quality.conform import conform_all
from data.reading.intake import Intake
from data.records import quarantine
from data.store import observation_log
from pipelines.history import quarantine as quarantining
from pipelines.workspace import open_workspace
from tests.support.service_kit import FIVE, START, World, network, panel_of, same_states, until, wave

PANEL = panel_of("a", "b")
BUNDLE = network(PANEL)
NEXT = wave(260)[200:]
NOW = START + 10 * FIVE
AHEAD = format_ds(NOW + 2 * FIVE, "instant")
STAMPS = ["1970-01-01T00:03:00Z", "1980-01-06T00:00:00Z", "2000-01-01T12:00:00Z", AHEAD, "2036-02-07T06:28:16Z"]


@pytest.fixture
def world(tmp_path, monkeypatch):
    """Two waves whose contexts end before START, at a time ten steps later."""
    monkeypatch.setattr(clock, "now", lambda: NOW)
    world = World.at(tmp_path)
    world.dataset = world.ingest("plant", "a", "b")
    world.limit(world.dataset, PANEL)
    world.promote(world.dataset, BUNDLE, PANEL)
    return world


def serving(world):
    """The service, with the clock of this test."""
    return world.serving(lambda: clock.now())


def row(ds, y=10.0, unique_id="a"):
    return {
        "unique_id": unique_id,
        "ds": ds if isinstance(ds, str) else format_ds(START + ds * FIVE, "instant"),
        "y": y,
    }


def post(client, *rows):
    answer = client.post("/v1/observations", json=list(rows))
    assert answer.status_code == 200, answer.text
    return answer.json()


def held(world):
    return [(value.ds, value.rule) for value in quarantine.values(world.engine, world.dataset.id)]


def is_the_fold(client, world):
    states = client.app.state.runtime.directory.datasets["plant"].champion.states
    mine = states.read(world.number(world.dataset, "a")).state
    return same_states(mine, world.folded(world.dataset, BUNDLE, PANEL, "a"))


@pytest.mark.parametrize("stamp", STAMPS)
def test_such_a_row_is_quarantined_alone_or_beside_others(world, stamp):
    with serving(world) as client:
        first = post(client, row(stamp))
        assert (first["outcomes"], first["counts"]["quarantined"], first["errors"]) == (["quarantined"], 1, [])
        assert world.logged(world.dataset, "a") == []
        assert post(client, row(0, NEXT[0]), row(stamp, 11.0), row(1, NEXT[1]))["outcomes"] == [
            "applied", "quarantined", "applied"
        ]  # fmt: skip
        assert post(client, row(stamp))["outcomes"] == ["quarantined"]  # again
        assert is_the_fold(client, world)
        assert client.get("/v1/series/a/forecast").json()["flags"] == []
        until(lambda: 'rollcast_quarantined_values{dataset="plant"} 2.0' in client.get("/metrics").text)
        assert 'rollcast_observations_total{outcome="quarantined"} 3.0' in client.get("/metrics").text
    assert world.logged(world.dataset, "a") == [(0, NEXT[0]), (1, NEXT[1])]
    assert [rule for _, rule in held(world)] == ["clock", "clock"]


def test_a_row_that_its_time_has_come_for_counts_although_it_was_held(world, monkeypatch):
    with serving(world) as client:
        assert post(client, row(AHEAD))["outcomes"] == ["quarantined"]
        monkeypatch.setattr(clock, "now", lambda: NOW + 3 * FIVE)
        assert post(client, row(AHEAD))["outcomes"] == ["applied"]
        assert is_the_fold(client, world)


def test_a_row_without_a_value_is_rejected(world):
    with serving(world) as client:
        found = post(client, row(AHEAD, None), row(0))
        assert (found["outcomes"], found["errors"][0]["pointer"]) == (["rejected", "applied"], "/0/ds")


def test_a_released_value_is_stored_with_force_and_passes_from_then_on(world, tmp_path, monkeypatch):
    with serving(world) as client:
        post(client, row(0, NEXT[0]), row("2024-01-01T00:00:00Z"))
    workspace = open_workspace(world.settings)
    released = quarantining.release(workspace, "plant", None, "a", "clock", force=True)
    assert (released.released, released.added) == (1, 1)
    with serving(world) as client:
        assert post(client, row("2024-01-01T00:00:00Z"))["outcomes"] == ["duplicate"]
        assert is_the_fold(client, world)


def test_an_answer_is_repeated_with_its_key(world):
    with serving(world) as client:
        answers = [
            client.post("/v1/observations", json=row(AHEAD), headers={"Idempotency-Key": "k"}).json() for _ in range(2)
        ]
    assert answers[0] == answers[1] and answers[0]["outcomes"] == ["quarantined"]


@pytest.mark.parametrize("stamp", [*STAMPS, format_ds(NOW + FIVE, "instant"), "2023-11-14T22:20:00Z"])
def test_http_and_a_file_agree(world, stamp):
    """The same row after the same history, in a file and over HTTP."""
    ends = pl.DataFrame({
        "unique_id": ["a"], "first_stored": [START - 200 * FIVE], "last_stored": [START - FIVE]
    })  # fmt: skip
    intake = Intake(SourceOptions(freq="5m", series="a"), None)
    raw = pl.DataFrame({"ds": [format_ds(START, "instant"), stamp], "y": [10.0, 10.0]})
    intake.add_batches(iter([raw.with_row_index("__row")]), "a.csv")
    tolerance = world.settings.future_tolerance_s * 1_000_000
    conformed = conform_all(intake, "a.csv", None, Grid("5m"), None, tolerance, KnownRows(ends=ends))
    with serving(world) as client:
        outcome = post(client, row(0), row(stamp))["outcomes"][1]
    assert (outcome == "quarantined") == (len(conformed.clock) == 1)
    assert outcome == "quarantined" or outcome in ("applied", "late", "rejected")
    assert [ds for ds, _ in held(world)] == [breach.ds for breach in conformed.clock]
    assert observation_log.last_seq(world.engine, world.dataset.id) == (
        1 if outcome in ("quarantined", "rejected") else 2
    )
