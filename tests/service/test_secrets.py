"""Faults 45, 48 and 51: keys, paths and names are in no answer, log or file where they do not belong."""

import json
import re
from pathlib import Path

import httpx
import pytest

from data.store import keys
from service.http import auth
from tests.support.server_kit import running
from tests.support.service_kit import World, baseline, panel_of, stamp, until

SERIES = "boiler-<script>alert(1)</script>"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    world = World.at(tmp_path_factory.mktemp("secrets"), auth="on", key_rate=0, address_rate=0)
    world.promote(world.ingest("plant", SERIES), baseline(panel_of(SERIES)), panel_of(SERIES))
    return world


@pytest.fixture(scope="module")
def client(world):
    with world.serving() as client:
        yield client


@pytest.fixture(scope="module")
def admin(world, client):
    header = {"Authorization": f"Bearer {keys.create(world.engine, 'admin', ['admin']).text}"}
    until(lambda: client.get("/v1/series", headers=header).status_code == 200)
    return header


def test_fault_45_wherever_a_client_puts_a_key_it_is_in_no_answer_no_log_and_no_file(world, tmp_path):
    """Every output is searched for the secret part of one key."""
    made = keys.create(world.engine, "marker", ["admin"])
    secret, good = made.text.split("_")[2], {"Authorization": f"Bearer {made.text}"}
    with running(world, tmp_path / "log", auth="on") as server, httpx.Client(base_url=server.url) as client:
        until(lambda: client.get("/v1/series", headers=good).status_code == 200)
        answers = list(everywhere(client, made.text, good))
        answers.append(httpx.Response(400, content=server.send(b"GET /" + made.text.encode() + b" HTTP/9\r\n\r\n")))
        metrics = client.get("/metrics", headers=good)
    seen = {answer.status_code for answer in answers}
    assert {200, 400, 401, 404, 415, 421, 422} <= seen and max(seen) < 500
    texts = [str(answer.headers) + answer.text for answer in (*answers, metrics)]
    assert not [text for text in texts if secret in text]
    assert secret not in server.log.read_text()
    written = [path for path in world.settings.home.rglob("*") if path.is_file()]
    assert written and not [path for path in written if secret.encode() in path.read_bytes()]


def everywhere(client: httpx.Client, key: str, good: dict[str, str]):
    """Requests with a key where it belongs, and in all other places."""
    for headers in ({}, good, {"Authorization": f"Basic {key}"}, {"Authorization": f"Bearer {key}x"}):
        yield client.get("/v1/series", headers=headers)
        yield client.get(f"/v1/series?key={key}", headers=headers)
        yield client.get(f"/v1/series?search={key}&dataset={key}", headers=headers)
        yield client.get(f"/v1/series/{key}", headers=headers)
        yield client.get(f"/v1/series/{key}/forecast?horizon={key}", headers=headers)
        yield client.get(f"/{key}", headers=headers)
    row = {"unique_id": key, "ds": key, "y": key, key: key}
    for body in (key, json.dumps(row), json.dumps([row]), json.dumps({**row, "y": 1.0}), f'{{"{key}": NaN}}'):
        yield client.post("/v1/observations", content=body, headers={**good, "content-type": "application/json"})
        yield client.post("/v1/observations", content=body, headers={**good, "content-type": "application/x-ndjson"})
    row = {"unique_id": SERIES, "ds": stamp(0), "y": 1.0}
    yield client.post("/v1/observations", json=row, headers={**good, "Idempotency-Key": key})
    yield client.post("/v1/observations", json=row, headers={**good, "Content-Type": key})
    for name in ("X-Request-ID", "If-None-Match", "Host", "Origin", "traceparent", "Accept", key):
        yield client.get("/v1/series", headers={**good, name: key})


def test_fault_45_a_key_in_the_url_gives_no_access(world, client, admin):
    key = admin["Authorization"].split()[1]
    for query in ("key", "api_key", "access_token", "authorization"):
        assert client.get(f"/v1/series?{query}={key}").status_code == 401


def test_fault_45_an_internal_error_logs_no_header(client, admin, monkeypatch, caplog):
    def broken(*_):
        raise RuntimeError("m4rk3r")

    monkeypatch.setattr("service.forecast.answers.read", broken)
    answer = client.get(f"/v1/series/{SERIES}/forecast", headers=admin)
    assert answer.status_code == 500 and "m4rk3r" in caplog.text
    assert admin["Authorization"].split("_")[2] not in caplog.text + answer.text


def test_fault_45_a_statement_that_fails_is_logged_without_its_values(world):
    from sqlalchemy import text
    from sqlalchemy.exc import OperationalError

    with pytest.raises(OperationalError) as caught, world.engine.connect() as connection:
        connection.execute(text("SELECT :value FROM nowhere"), {"value": "m4rk3r"})
    assert "m4rk3r" not in str(caught.value)


# --- fault 51: what callers without a key can read ------------------------------------------------------------------


def test_fault_51_public_answers_have_no_names_versions_or_paths(world, client):
    answers = {path: client.get(path) for path in sorted(auth.PUBLIC)}
    assert {answer.status_code for answer in answers.values()} == {200}
    assert answers["/health/live"].json() == {"status": "live"}
    assert answers["/health/ready"].json() == {"status": "ready"}
    assert answers["/openapi.json"].json()["info"]["version"] == "1"  # of the API, not of the build
    for path, answer in answers.items():
        text = answer.text + str(answer.headers)
        assert "boiler" not in text and "plant" not in text and str(world.settings.home) not in text, path
        assert not re.search(r"uvicorn|python ?/?\d|sqlite|starlette", text, re.IGNORECASE), path


def test_fault_51_metrics_need_a_key_and_name_no_series(client, admin):
    assert client.get("/metrics").status_code == 401
    text = client.get("/metrics", headers=admin).text
    assert "boiler" not in text and "unique_id=" not in text


@pytest.mark.parametrize(
    "path", ["/nothing", "/v1/series/nobody", "/v1/series?limit=0", "/v1/models?dataset=x", "/docs/../app.py"]
)
def test_fault_51_no_problem_holds_a_path_or_a_name(world, client, admin, path):
    text = client.get(path, headers=admin).text
    for inside in ("boiler", "plant", str(Path(__file__).parents[2]), str(world.settings.home), ".py", "Traceback"):
        assert inside not in text


# --- fault 48: markup in a name -------------------------------------------------------------------------------------


def test_fault_48_a_name_that_is_markup_stays_json_and_no_page_shows_it(client, admin):
    answer = client.get("/v1/series", headers=admin)
    assert answer.json()["series"][0]["unique_id"] == SERIES
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    for path in ("/docs", "/docs/docs.js", "/openapi.json"):
        assert "boiler" not in client.get(path).text


def test_fault_48_a_page_runs_only_its_own_script_which_makes_no_markup(client):
    page, script = client.get("/docs"), client.get("/docs/docs.js").text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "base-uri 'none'" in policy
    assert "unsafe" not in policy and "require-trusted-types-for 'script'" in policy
    assert not re.search(r"<script>|<style|\son\w+=|style=", page.text)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|Function\(", script)
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["x-frame-options"] == "DENY"


def test_every_page_has_the_policy(client, admin):
    paths = [route.path for route in auth.leaves(client.app.routes) if "GET" in route.methods]
    ending = [f"{path}?dataset=none" if path.endswith("/events") else path for path in paths]  # a stream has no end
    answers = [client.get(path.replace("{unique_id:path}", "x"), headers=admin) for path in ending]
    pages = [answer for answer in answers if answer.headers["content-type"].startswith("text/html")]
    assert pages and all("default-src 'none'" in page.headers["content-security-policy"] for page in pages)
