"""Rollback, promotion and retraining over HTTP: at once where states are kept, else as a job, and never unseen."""

import pytest
from sqlalchemy import delete, update

from data.records import jobs
from data.store import anchors, keys, promotions
from data.store.database import writing
from data.store.tables import contexts, models
from data.store.tables import promotions as promotion_table
from tests.support.service_kit import World, baseline, median, network, panel_of, rows, until

PANEL = panel_of("a", "b")
NAIVE, SEASONAL, LSTM = baseline(PANEL, "naive"), baseline(PANEL), network(PANEL)
SEEN = {"If-Match": '"2"'}


@pytest.fixture
def world(tmp_path):
    """Version 2, seasonal naive, serves by promotion 2; version 1, naive, served before."""
    world = World.at(tmp_path)
    world.dataset = world.ingest("sensors", "a", "b")
    world.promote(world.dataset, NAIVE, PANEL)
    world.promote(world.dataset, SEASONAL, PANEL)
    return world


@pytest.fixture
def client(world):
    with world.serving() as client:
        until(lambda: served(client).previous is not None)
        yield client


def served(client):
    return client.app.state.runtime.directory.datasets["sensors"]


def log_of(world):
    return [(row.version, row.event, row.evidence.get("by")) for row in promotions.decisions(world.engine)]


def test_a_rollback_needs_no_worker_and_answers_when_the_version_before_serves(client, world):
    client.post("/v1/observations", json=rows("a", [1.0, 5.0]))
    answer = client.post("/v1/datasets/sensors/rollback", headers=SEEN)
    body = answer.json()
    assert (answer.status_code, body["version"], body["event"], body["serving"]) == (200, 1, "rolled_back", True)
    assert (body["id"], answer.headers["etag"], body["by"]) == (3, '"3"', "loopback")
    assert body["evidence"] == {"by": "loopback", "from": 2, "to": 1}
    assert body["sentences"][0] == "It serves again in place of version 2; a rollback is decided by hand."
    assert median(client, "a") == [5.0] * 6  # naive, from the last value: its states have followed
    assert log_of(world)[-1] == (1, "rolled_back", "loopback")
    promotions.verify_chain(world.engine, world.dataset.id)
    line = client.get("/v1/datasets").json()["datasets"][0]
    assert (line["promotion_id"], line["model"]["version"], line["previous"]["version"]) == (3, 1, 2)


@pytest.mark.parametrize("act", ["rollback", "promote", "retrain"])
def test_an_act_needs_the_promotion_that_was_seen(client, world, act):
    path, body = f"/v1/datasets/sensors/{act}", {"version": 1} if act == "promote" else None
    for wrong in ({}, {"If-Match": "*"}, {"If-Match": "2"}, {"If-Match": '"two"'}):
        answer = client.post(path, headers=wrong, json=body)
        assert (answer.status_code, answer.json()["code"]) == (428, "precondition_required")
    answer = client.post(path, headers={"If-Match": '"1"'}, json=body)
    assert (answer.status_code, answer.json()["code"], answer.headers["etag"]) == (412, "promotion_moved", '"2"')
    assert len(log_of(world)) == 2 and jobs.jobs(world.engine) == []


def test_of_two_rollbacks_that_saw_the_same_one_is_done(client, world):
    statuses = [client.post("/v1/datasets/sensors/rollback", headers=SEEN).status_code for _ in range(2)]
    assert statuses == [200, 412] and len(log_of(world)) == 3


def test_with_one_version_there_is_nothing_to_roll_back_to(tmp_path):
    world = World.at(tmp_path)
    world.promote(world.ingest("sensors", "a", "b"), NAIVE, PANEL)
    with world.serving() as client:
        answer = client.post("/v1/datasets/sensors/rollback", headers={"If-Match": '"1"'})
        assert (answer.status_code, answer.json()["code"]) == (409, "no_previous")


def test_a_version_in_shadow_takes_over_at_once_with_the_states_that_it_has(client, world):
    world.shadow(world.dataset, LSTM, PANEL)
    until(lambda: served(client).shadow is not None)
    client.post("/v1/observations", json=rows("a", [1.0, 5.0]))
    rolling = served(client).shadow
    answer = client.post("/v1/datasets/sensors/promote", headers=SEEN, json={"version": 3}).json()
    assert (answer["version"], answer["event"], answer["serving"]) == (3, "promoted", True)
    assert served(client).champion is rolling
    assert promotions.shadow(world.engine, world.dataset.id) is None


def test_the_version_before_is_rolled_back_to_when_it_is_named(client, world):
    answer = client.post("/v1/datasets/sensors/promote", headers=SEEN, json={"version": 1})
    assert (answer.status_code, answer.json()["event"]) == (200, "rolled_back")


def test_another_version_is_a_job_of_the_pipelines(client, world):
    version = world.register(world.dataset, LSTM)
    answer = client.post("/v1/datasets/sensors/promote", headers=SEEN, json={"version": version})
    body = answer.json()
    assert (answer.status_code, body["kind"], body["state"], body["version"]) == (202, "promote", "queued", version)
    assert answer.headers["location"] == f"/v1/jobs/{body['id']}" and body["by"] == "loopback"
    assert client.get(answer.headers["location"]).json() == body
    assert jobs.job(world.engine, body["id"]).asked == {"by": "loopback", "seen": 2, "event": "promoted"}
    again = client.post("/v1/datasets/sensors/promote", headers=SEEN, json={"version": version})
    assert again.json() == body
    other = world.register(world.dataset, network(PANEL, seed=1))
    answer = client.post("/v1/datasets/sensors/promote", headers=SEEN, json={"version": other})
    assert (answer.status_code, answer.json()["code"]) == (409, "job_open")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"version": 2}, 409, "serves_already"),
        ({"version": 9}, 404, "unknown_version"),
        ({"version": "2"}, 422, "invalid_body"),
        ({"version": 0}, 422, "invalid_body"),
        ({"version": True}, 422, "invalid_body"),
        ({"version": 1, "force": True}, 422, "invalid_body"),
        ([], 422, "invalid_body"),
    ],
)
def test_a_version_that_cannot_serve_is_refused(client, world, body, status, code):
    answer = client.post("/v1/datasets/sensors/promote", headers=SEEN, json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert "force" not in answer.text and len(log_of(world)) == 2


def test_a_version_that_the_gate_refused_is_a_409(client, world):
    version = world.register(world.dataset, LSTM)
    promotions.decide(world.engine, world.dataset.id, version, "refused", {"reasons": ["no better"]})
    answer = client.post("/v1/datasets/sensors/promote", headers=SEEN, json={"version": version})
    assert (answer.status_code, answer.json()["code"]) == (409, "gate_refused")


def test_where_the_states_before_were_given_up_a_rollback_is_a_job(client, world):
    with writing(world.engine) as connection:
        kept = anchors.newest(world.engine, 1)
        connection.execute(delete(contexts).where(contexts.c.anchor_id == kept.contexts))
    answer = client.post("/v1/datasets/sensors/rollback", headers=SEEN)
    assert (answer.status_code, answer.json()["kind"], answer.json()["version"]) == (202, "promote", 1)
    assert jobs.job(world.engine, 1).asked["event"] == "rolled_back"


def test_a_damaged_version_does_not_take_over(client, world):
    with writing(world.engine) as connection:
        connection.execute(update(models).where(models.c.version == 1).values(artifact=b"damaged"))
    answer = client.post("/v1/datasets/sensors/rollback", headers=SEEN)
    assert (answer.status_code, answer.json()["code"]) == (409, "damaged_model")
    assert len(log_of(world)) == 2


def test_a_retraining_is_queued_once_and_says_who_asked(client, world):
    answers = [client.post("/v1/datasets/sensors/retrain", headers=SEEN) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json() == answers[1].json()
    body = answers[0].json()
    assert (body["kind"], body["cause"], body["detail"]) == ("train", "hand", "asked for over HTTP by loopback")
    assert [job["id"] for job in client.get("/v1/jobs").json()["jobs"]] == [body["id"]]


def test_a_dataset_without_a_model_is_trained_with_promotion_0(tmp_path):
    world = World.at(tmp_path)
    world.ingest("sensors", "a")
    with world.serving() as client:
        answer = client.post("/v1/datasets/sensors/retrain", headers={"If-Match": '"0"'})
        assert answer.status_code == 202


def test_an_act_needs_the_scope_admin_and_every_series_and_names_its_key(tmp_path):
    world = World.at(tmp_path, auth="on")
    dataset = world.ingest("sensors", "a", "b")
    world.promote(dataset, NAIVE, PANEL)
    world.promote(dataset, SEASONAL, PANEL)
    made = {
        name: {**SEEN, "Authorization": f"Bearer {keys.create(world.engine, name, scopes, series).text}"}
        for name, scopes, series in (
            ("reader", ["read"], ["*/*"]),
            ("part", ["admin"], ["sensors/a"]),
            ("other", ["admin"], ["pumps/*"]),
            ("night shift", ["admin"], ["sensors/*"]),
        )
    }
    with world.serving() as client:
        until(lambda: client.get("/v1/datasets", headers=made["night shift"]).status_code == 200)
        until(lambda: served(client).previous is not None)
        codes = [client.post("/v1/datasets/sensors/rollback", headers=made[name]).json().get("code") for name in made]
        assert codes == ["missing_scope", "limited_key", "unknown_dataset", None]
    assert log_of(world)[-1] == (1, "rolled_back", "night shift")


# --- the promotion log ------------------------------------------------------------------------------------------------


def test_the_promotion_log_is_listed_newest_first_by_pages(client, world):
    first = client.get("/v1/promotions?limit=1").json()
    assert [(row["id"], row["version"], row["kind"]) for row in first["promotions"]] == [(2, 2, "seasonal_naive")]
    second = client.get(f"/v1/promotions?limit=1&before={first['next']}").json()
    assert ([row["id"] for row in second["promotions"]], second["next"]) == ([1], None)
    assert all(row["verified"] for row in client.get("/v1/promotions").json()["promotions"])
    assert client.get("/v1/promotions?dataset=nothing").status_code == 404
    etag = client.get("/v1/promotions").headers["etag"]
    assert client.get("/v1/promotions", headers={"If-None-Match": etag}).status_code == 304


def test_decisions_from_an_altered_one_on_are_not_verified(client, world):
    promotions.decide(world.engine, world.dataset.id, 1, "refused", {})
    with writing(world.engine) as connection:
        altered = update(promotion_table).where(promotion_table.c.id == 2).values(evidence='{"by":"nobody"}')
        connection.execute(altered)
    found = client.get("/v1/promotions?dataset=sensors").json()["promotions"]
    assert [(row["id"], row["verified"]) for row in found] == [(3, False), (2, False), (1, True)]
