"""Runs, jobs, schedules and drift over HTTP: what failed, whether it was made up for, and what a key sees of it."""

import pytest
from sqlalchemy import update

from data import clock
from data.grid.durations import HOUR, MINUTE
from data.records import drift, jobs, runs, schedules
from data.records.drift import Drift
from data.records.schedules import NextRun, Schedule
from data.records.timetable import by_interval
from data.store import keys
from data.store.database import writing
from data.store.tables import runs as run_table
from tests.support.service_kit import World, until

PATHS = ("runs", "jobs", "schedules", "drift", "quarantine", "promotions")


@pytest.fixture
def world(tmp_path):
    world = World.at(tmp_path)
    world.pumps, world.valves = world.ingest("pumps", "p"), world.ingest("valves", "v")
    return world


@pytest.fixture
def client(world):
    with world.serving() as client:
        yield client


def run(world, flow, dataset=None, error=None, **detail):
    """A run of a flow, which fails with an error where there is one."""
    try:
        with runs.recorded(world.engine, flow, dataset) as recording:
            recording.detail |= detail
            if error:
                raise ValueError(error)
    except ValueError:
        pass


def outcomes(client, query=""):
    lines = client.get(f"/v1/runs?{query}").json()["runs"]
    return [(line["flow"], line["dataset"], line["outcome"], line["recovered"]) for line in lines]


@pytest.mark.parametrize("path", PATHS)
def test_before_anything_ran_every_list_is_empty(client, path):
    body = client.get(f"/v1/{path}").json()
    assert [value for value in body.values() if isinstance(value, list)] == [[]]


@pytest.mark.parametrize("path", PATHS)
def test_an_unknown_dataset_or_parameter_is_refused_and_an_etag_saves_the_answer(client, path):
    assert client.get(f"/v1/{path}?dataset=nothing").json()["code"] == "unknown_dataset"
    assert client.get(f"/v1/{path}?sort=up").status_code == 422
    etag = client.get(f"/v1/{path}").headers["etag"]
    assert client.get(f"/v1/{path}", headers={"If-None-Match": f'"other", {etag}'}).status_code == 304


def test_a_failure_that_later_succeeded_is_recovered_and_another_one_is_not(client, world):
    run(world, "ingest", "pumps", error="no answer")
    run(world, "ingest", "valves", error="no answer")
    run(world, "ingest", "pumps", added=3, report="runs/ingest/3.md")
    assert outcomes(client) == [
        ("ingest", "pumps", "succeeded", False),
        ("ingest", "valves", "failed", False),
        ("ingest", "pumps", "failed", True),
    ]
    assert client.get("/v1/runs").json()["runs"][0]["detail"] == {"added": 3}
    assert client.get("/v1/runs").json()["runs"][1]["detail"] == {"error": "ValueError: no answer"}


def test_runs_are_chosen_by_flow_dataset_and_outcome_and_come_in_pages(client, world):
    for dataset in ("pumps", "valves", None, "pumps"):
        run(world, "train" if dataset else "canary", dataset, error=None if dataset else "down")
    assert outcomes(client, "flow=canary") == [("canary", None, "failed", False)]
    assert len(outcomes(client, "dataset=pumps")) == 2
    assert len(outcomes(client, "outcome=succeeded")) == 3
    first = client.get("/v1/runs?limit=3").json()
    second = client.get(f"/v1/runs?limit=3&before={first['next']}").json()
    assert [row["id"] for page in (first, second) for row in page["runs"]] == [4, 3, 2, 1]
    assert second["next"] is None
    assert client.get("/v1/runs?outcome=lost").json()["errors"][0]["pointer"] == "/query/outcome"


def test_a_run_without_a_heartbeat_has_lapsed_and_is_found_as_such(client, world):
    run(world, "train", "pumps")
    long_ago = {"outcome": "running", "heartbeat_at": clock.now() - HOUR, "ended_at": None}
    with writing(world.engine) as connection:
        connection.execute(update(run_table).values(long_ago))
    assert outcomes(client, "outcome=lapsed") == [("train", "pumps", "lapsed", False)]
    assert outcomes(client, "outcome=running") == []
    run(world, "train", "pumps")
    assert outcomes(client, "outcome=lapsed") == [("train", "pumps", "lapsed", True)]


def test_jobs_are_listed_newest_first_and_one_by_one(client, world):
    jobs.ask(world.engine, world.pumps.id, "drift", "residuals moved")
    jobs.ask(world.engine, world.valves.id, "hand", "why")
    jobs.end(world.engine, jobs.take(world.engine).id, "refused", "no better", 3)
    first = client.get("/v1/jobs?limit=1").json()
    assert [(job["id"], job["dataset"], job["state"]) for job in first["jobs"]] == [(2, "valves", "queued")]
    (job,) = client.get("/v1/jobs?dataset=pumps").json()["jobs"]
    assert (job["state"], job["detail"], job["version"], job["cause"]) == ("refused", "no better", 3, "drift")
    assert client.get("/v1/jobs/1").json() == job
    for number in ("7", "x", "9" * 30):
        assert client.get(f"/v1/jobs/{number}").json()["code"] == "unknown_job"


def test_a_schedule_shows_when_it_is_due_as_the_worker_noted_it(client, world):
    now = clock.now()
    schedules.put(world.engine, Schedule("ingest", by_interval("15m"), "pumps"))
    body = client.get("/v1/schedules").json()
    (line,) = body["schedules"]
    assert (line["timetable"], line["next_at"], line["overdue"]) == ("every 15m", None, False)
    assert body["worker"] == {"seen_at": None, "alive": False}
    run(world, "ingest", "pumps", error="no answer")
    noted = [
        NextRun("ingest", "pumps", "every 15m", now + MINUTE, now - HOUR, now - MINUTE, now),
        NextRun("canary", None, "every 1m", now + MINUTE, None, None, now),
    ]
    schedules.note_next_runs(world.engine, noted)
    body = client.get("/v1/schedules").json()
    assert body["worker"]["alive"]
    ingest, canary = body["schedules"]
    assert (ingest["flow"], ingest["overdue"], ingest["last_success"]) == ("ingest", True, None)
    assert ingest["last_run"]["outcome"] == "failed" and ingest["next_at"] > ingest["overdue_since"]
    assert (canary["flow"], canary["dataset"], canary["overdue"]) == ("canary", None, False)
    run(world, "ingest", "pumps")
    assert not client.get("/v1/schedules?dataset=pumps").json()["schedules"][0]["overdue"]


def test_a_worker_that_noted_nothing_for_long_is_not_alive(client, world):
    long_ago = clock.now() - HOUR
    schedules.note_next_runs(world.engine, [NextRun("canary", None, "every 1m", long_ago, None, None, long_ago)])
    assert not client.get("/v1/schedules").json()["worker"]["alive"]


def test_drift_is_what_the_monitor_last_found(client, world):
    found = Drift(world.pumps.id, "ks", "level", 0.31, 0.18, True, "levels differ")
    drift.put(world.engine, world.pumps.id, [found])
    until(lambda: client.get("/v1/drift").json()["drift"])
    (line,) = client.get("/v1/drift?dataset=pumps").json()["drift"]
    assert (line["detector"], line["statistic"], line["fired"], line["dataset"]) == ("ks", 0.31, True, "pumps")
    assert client.get("/v1/drift?dataset=valves").json() == {"drift": []}


def test_a_key_sees_what_concerns_datasets_that_it_reaches_into(tmp_path):
    world = World.at(tmp_path, auth="on")
    pumps, valves = world.ingest("pumps", "p", "q"), world.ingest("valves", "v")
    now = clock.now()
    for dataset in (pumps, valves):
        jobs.ask(world.engine, dataset.id, "hand", "why")
        drift.put(world.engine, dataset.id, [Drift(dataset.id, "ks", "level", 1.0, 2.0, False, "")])
        schedules.put(world.engine, Schedule("train", by_interval("1d"), dataset.name))
        run(world, "train", dataset.name)
    run(world, "backup")
    schedules.note_next_runs(world.engine, [NextRun("backup", None, "every 1d", now, None, None, now)])
    part, whole = (
        {"Authorization": f"Bearer {keys.create(world.engine, 'k', ['read'], [series]).text}"}
        for series in ("pumps/p", "*/*")
    )
    with world.serving() as client:
        until(lambda: client.get("/v1/runs", headers=whole).status_code == 200)
        until(lambda: len(client.get("/v1/drift", headers=whole).json()["drift"]) == 2)
        for path, everyone in (("runs", {None}), ("jobs", set()), ("schedules", {None}), ("drift", set())):
            seen = [
                {line["dataset"] for line in client.get(f"/v1/{path}", headers=header).json()[path]}
                for header in (part, whole)
            ]
            assert seen == [{"pumps"}, {"pumps", "valves"} | everyone], path
            assert client.get(f"/v1/{path}?dataset=valves", headers=part).status_code == 404
        assert client.get("/v1/jobs/1", headers=part).status_code == 200
        assert client.get("/v1/jobs/2", headers=part).status_code == 404
