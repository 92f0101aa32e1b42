"""Faults 43 and 44: no key; a wrong, expired or revoked key; a wrong scope or series; guessing keys."""

import json
from collections import Counter

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from data.errors import InvalidInput
from data.settings import Settings
from data.store import keys
from data.store.keys import RIGHTS
from service.app import create_app
from service.http import auth
from tests.support.service_kit import LOCAL, World, baseline, panel_of, rows, stamp, until

ROUTES = [
    (method, route.path, auth.right_of(route))
    for route in auth.leaves(create_app().routes)
    for method in sorted(route.methods - {"HEAD", "OPTIONS"})
]
CLOSED = [(method, path, right) for method, path, right in ROUTES if right is not None]
UNLIMITED = {"key_rate": 0.0, "address_rate": 0.0}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    world = World.at(tmp_path_factory.mktemp("keys"), auth="on", **UNLIMITED)
    world.promote(
        world.ingest("plant", "pump", "motor"), baseline(panel_of("pump", "motor")), panel_of("pump", "motor")
    )
    world.promote(world.ingest("mill", "pump", "secret"), baseline(panel_of("pump")), panel_of("pump"))
    return world


@pytest.fixture(scope="module")
def client(world):
    with world.serving() as client:
        yield client


@pytest.fixture(autouse=True)
def no_rate_limits(monkeypatch):
    """Rate limits are off; the one test about them turns them on again."""
    monkeypatch.setattr("service.http.rate_limits.RateLimiter.take", lambda *_: 0.0)


@pytest.fixture(scope="module")
def header_of(world, client):
    """`header_of("read")`: the header of a new key with these scopes, once the service knows it."""

    def make(*scopes: str, series: tuple[str, ...] = ("*/*",), days: float | None = None) -> dict[str, str]:
        header = bearer(keys.create(world.engine, "test", scopes, series, days).text)
        known(client, header)
        return header

    return make


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def known(client: TestClient, header: dict[str, str]) -> None:
    """Wait until the service has read the key from the store."""
    until(lambda: client.get("/health/live", headers=header).status_code == 200)


def ask(client: TestClient, method: str, path: str, headers: dict[str, str]):
    path = path.replace("{unique_id:path}", "motor")
    return client.request(method, path, headers=headers, json=[] if method == "POST" else None)


def test_every_route_names_its_scope_or_is_on_the_public_list():
    public = {path for _, path, right in ROUTES if right is None}
    assert public == {*auth.PUBLIC, f"{auth.PAGE_FILES}{{name}}"}
    assert {right for _, _, right in CLOSED} <= set(RIGHTS)
    assert len(CLOSED) >= 8


def test_an_app_with_a_route_without_scope_does_not_start():
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.get("/v1/forgotten")(lambda: None)
    with pytest.raises(RuntimeError, match="/v1/forgotten names no scope"):
        auth.check_routes(app.routes)


def test_observing_forecasting_and_reading_need_different_scopes():
    rights = {(method, path): right for method, path, right in ROUTES}
    assert rights["POST", "/v1/observations"] == "observe"
    assert rights["POST", "/v1/series/{unique_id:path}/observations"] == "observe"
    assert rights["GET", "/v1/series/{unique_id:path}/forecast"] == "forecast"
    assert rights["GET", "/v1/series"] == rights["GET", "/metrics"] == "read"


@pytest.fixture(scope="module")
def refused(world, client):
    """Headers that every closed route must refuse."""
    expired, revoked = (keys.create(world.engine, name, RIGHTS) for name in ("expired", "revoked"))
    keys.rotate(world.engine, expired.key.id, overlap_hours=0)
    known(client, bearer(revoked.text))
    keys.revoke(world.engine, revoked.key.id)
    until(lambda: client.get("/health/live", headers=bearer(revoked.text)).status_code == 401)
    right = keys.create(world.engine, "right", RIGHTS).text
    known(client, bearer(right))
    prefix, key_id, secret, check = right.split("_")
    wrong = secret.replace(secret[5], "x" if secret[5] != "x" else "y")
    return {
        "none": {},
        "unknown": bearer(f"rlc_{'0' * 8}_{secret}_{check}"),
        "wrong secret": bearer(f"{prefix}_{key_id}_{wrong}_{check}"),
        "id alone": bearer(f"{prefix}_{key_id}"),
        "longer": bearer(right + "0"),
        "expired": bearer(expired.text),
        "revoked": bearer(revoked.text),
        "basic": {"Authorization": f"Basic {right}"},
        "no scheme": {"Authorization": right},
        "empty": {"Authorization": ""},
        "digest": bearer(keys.key(world.engine, key_id).digest.hex()),
    }


@pytest.mark.parametrize(("method", "path", "right"), CLOSED)
def test_fault_43_without_a_valid_key_every_closed_route_answers_the_same_401(client, refused, method, path, right):
    answers = {name: ask(client, method, path, header) for name, header in refused.items()}
    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(refused, 401)
    assert {answer.headers["www-authenticate"] for answer in answers.values()} == {'Bearer realm="rollcast"'}
    bodies = [{**answer.json(), "request_id": ""} for answer in answers.values()]
    assert all(body == bodies[0] for body in bodies)


def test_without_a_key_unknown_paths_answer_401_as_known_ones_do(client, refused):
    assert client.get("/nothing", headers=refused["unknown"]).status_code == 401
    assert client.get("/nothing").status_code == 401


@pytest.mark.parametrize(("method", "path", "right"), CLOSED)
def test_fault_43_a_key_without_the_scope_gets_403_and_one_with_it_does_not(client, header_of, method, path, right):
    others = header_of(*(scope for scope in RIGHTS if scope not in (right, "admin")))
    answer = ask(client, method, path, others)
    assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")
    ending = f"{path}?dataset=none" if path.endswith("/events") else path  # a stream has no end
    for scopes in ([right], ["admin"]):
        assert ask(client, method, ending, header_of(*scopes)).status_code not in (401, 403)


READS = [path for method, path, _ in CLOSED if method == "GET" and "{unique_id:path}" in path]


@pytest.mark.parametrize("path", READS)
def test_fault_43_a_series_that_the_key_does_not_reach_answers_as_one_that_does_not_exist(client, header_of, path):
    header = header_of("admin", series=("plant/*",))
    unreached, missing = (
        client.get(path.replace("{unique_id:path}", unique_id), headers=header) for unique_id in ("secret", "nobody")
    )
    assert unreached.status_code == missing.status_code == 404
    assert {**unreached.json(), "request_id": ""} == {**missing.json(), "request_id": ""}
    other = client.get(path.replace("{unique_id:path}", "pump"), params={"dataset": "mill"}, headers=header)
    assert (other.status_code, other.json()["code"]) == (404, "unknown_dataset")


def test_an_id_in_two_datasets_is_unambiguous_for_a_key_that_reaches_one_of_them(client, header_of):
    assert client.get("/v1/series/pump", headers=header_of("read")).status_code == 409
    body = client.get("/v1/series/pump", headers=header_of("read", series=("mill/*",))).json()
    assert body["dataset"] == "mill"


def test_listings_have_only_the_series_that_the_key_reaches(client, header_of):
    header = header_of("read", series=("plant/pu*", "mill/secret"))
    page = client.get("/v1/series", headers=header).json()
    assert [(line["dataset"], line["unique_id"]) for line in page["series"]] == [("plant", "pump"), ("mill", "secret")]
    assert page["total"] == 2
    limited = header_of("read", series=("plant/*",))
    for path in ("/v1/series", "/v1/models", "/v1/scores", "/version", "/health/ready"):
        assert "mill" not in client.get(path, headers=limited).text
    assert client.get("/v1/series?dataset=mill", headers=limited).status_code == 404


@pytest.mark.parametrize("path", ["/metrics", "/v1/scores"])
def test_answers_about_all_series_need_a_key_for_all_series(client, header_of, path):
    assert client.get(path, headers=header_of("read")).status_code == 200
    answer = client.get(path, headers=header_of("read", series=("plant/*",)))
    assert (answer.status_code, answer.json()["code"]) == (403, "limited_key")


def test_fault_43_a_write_to_a_series_outside_the_key_is_refused_and_stores_nothing(world, client, header_of):
    header = header_of("observe", series=("plant/*", "mill/pump"))
    before = client.get("/v1/series/secret", headers=header_of("read")).json()
    for unique_id, dataset in (("secret", "mill"), ("nobody", "mill")):
        answer = client.post(
            f"/v1/series/{unique_id}/observations?dataset={dataset}", json={"ds": stamp(0), "y": 1.0}, headers=header
        )
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden_series")
    sent = [{**row, "dataset": "mill"} for row in rows("secret", [1.0])] + rows("motor", [2.0])
    answer = client.post("/v1/observations", json=sent, headers=header).json()
    assert answer["outcomes"] == ["rejected", "applied"]
    assert answer["errors"] == [{"pointer": "/0/unique_id", "message": "is not a series that this key may write"}]
    assert client.get("/v1/series/secret", headers=header_of("read")).json() == before


def test_health_shows_its_details_only_with_the_scope_read(client, header_of):
    assert client.get("/health/ready").json() == {"status": "ready"}
    assert client.get("/health/ready", headers=header_of("observe")).json() == {"status": "ready"}
    assert [line["dataset"] for line in client.get("/health/ready", headers=header_of("read")).json()["datasets"]] == [
        "plant",
        "mill",
    ]


def test_a_key_that_is_revoked_while_the_service_runs_stops_working(world, client):
    made = keys.create(world.engine, "soon gone", ["read"])
    known(client, bearer(made.text))
    keys.revoke(world.engine, made.key.id)
    until(lambda: client.get("/v1/series", headers=bearer(made.text)).status_code == 401)


def test_both_keys_work_during_the_overlap(world, client):
    old = keys.create(world.engine, "turning", ["read"])
    new = keys.rotate(world.engine, old.key.id, overlap_hours=1)
    for made in (old, new):
        known(client, bearer(made.text))
        assert client.get("/v1/series", headers=bearer(made.text)).status_code == 200


def test_a_key_stops_working_when_it_expires_without_another_read_of_the_store(tmp_path):
    world = World.at(tmp_path, auth="on")
    made = keys.create(world.engine, "short", ["read"], days=1)
    clock = [made.key.created_at]
    with world.serving(lambda: clock[0]) as client:
        known(client, bearer(made.text))
        clock[0] = made.key.expires_at - 1
        assert client.get("/v1/series", headers=bearer(made.text)).status_code == 200
        clock[0] += 1
        assert client.get("/v1/series", headers=bearer(made.text)).status_code == 401


def test_the_last_use_is_written_by_the_watcher_and_at_the_end(tmp_path):
    world = World.at(tmp_path, auth="on")
    made = keys.create(world.engine, "used", ["read"])
    with world.serving() as client:
        known(client, bearer(made.text))
    assert keys.key(world.engine, made.key.id).last_used_at >= made.key.created_at


def test_the_first_use_of_a_key_is_written_at_once_and_later_ones_once_a_minute(tmp_path):
    world = World.at(tmp_path, auth="on")
    made, other = (keys.create(world.engine, name, ["read"]) for name in ("used", "later"))
    at = made.key.created_at
    clock = [at]
    with world.serving(lambda: clock[0]) as client:
        known(client, bearer(made.text))
        until(lambda: keys.key(world.engine, made.key.id).last_used_at == at)
        clock[0] = at + 59_000_000
        client.get("/v1/series", headers=bearer(made.text))
        client.get("/v1/series", headers=bearer(other.text))
        until(lambda: keys.key(world.engine, other.key.id).last_used_at == clock[0])
        assert keys.key(world.engine, made.key.id).last_used_at == at
        clock[0] = at + 60_000_000
        until(lambda: keys.key(world.engine, made.key.id).last_used_at == at + 59_000_000)


def test_a_request_with_a_key_runs_no_statement(world, client, header_of):
    from sqlalchemy import event

    header = header_of("forecast")
    engine = client.app.state.runtime.engine()
    ran: Counter[str] = Counter()

    def count(connection, cursor, statement, *_):
        import threading

        ran[threading.current_thread().name] += 1

    event.listen(engine, "before_cursor_execute", count)
    try:
        for _ in range(20):
            assert client.get("/v1/series/motor/forecast", headers=header).status_code == 200
    finally:
        event.remove(engine, "before_cursor_execute", count)
    assert set(ran) <= {"rollcast-watcher"}


def test_before_the_keys_are_read_closed_routes_answer_503_with_retry_after(tmp_path):
    client = TestClient(create_app(World.at(tmp_path, auth="on").settings), LOCAL)  # not entered: no keys are read
    assert client.get("/health/live").status_code == 200
    answer = client.get("/v1/series", headers=bearer("rlc_"))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "example.com", "127.0.0.1.example.com"])  # noqa: S104
def test_without_keys_the_service_listens_on_loopback_only(tmp_path, host):
    assert Settings(home=tmp_path, host=host).asks_for_keys
    with pytest.raises(InvalidInput, match="ROLLCAST_AUTH"):
        create_app(Settings(home=tmp_path, host=host, auth="off"))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.2"])
def test_on_loopback_keys_are_needed_only_with_auth_on(tmp_path, host):
    assert not Settings(home=tmp_path, host=host).asks_for_keys
    assert not Settings(home=tmp_path, host=host, auth="off").asks_for_keys
    assert Settings(home=tmp_path, host=host, auth="on").asks_for_keys


def test_a_connection_not_over_loopback_needs_a_key_whatever_the_settings_say(tmp_path):
    """uvicorn may be started by hand on another address than ROLLCAST_HOST."""
    world = World.at(tmp_path, allowed_hosts="192.0.2.7")
    with TestClient(create_app(world.settings), LOCAL) as client:
        until(lambda: client.get("/v1/series").status_code == 200)
        assert client.get("http://192.0.2.7/v1/series").status_code == 401


def test_fault_44_digests_are_compared_in_constant_time_for_any_key(world, client, monkeypatch):
    import hmac

    compared = []
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: compared.append((len(a), len(b))) or a == b)
    for text in ("", "x", "rlc_00000000_", "rlc_" + "0" * 60, "0" * 5000):
        assert client.get("/v1/series", headers=bearer(text)).status_code == 401
    assert compared == [(32, 32)] * 5


def test_fault_44_wrong_keys_are_rate_limited_and_the_right_key_is_not(tmp_path, monkeypatch):
    monkeypatch.undo()  # of the fixture above
    monkeypatch.setattr("service.http.auth.WRONG_KEY_RATE", 0.001)  # so that no token is gained during the test
    world = World.at(tmp_path, auth="on", **UNLIMITED)
    made = keys.create(world.engine, "right", ["read"])
    with world.serving() as client:
        known(client, bearer(made.text))
        statuses = Counter(client.get("/v1/series", headers=bearer(f"rlc_{n:08}_")).status_code for n in range(60))
        assert statuses[429] >= 35 and statuses[401] <= 20
        answer = client.get("/v1/series", headers=bearer("rlc_00000000_"))
        assert answer.status_code == 429 and int(answer.headers["retry-after"]) > 0
        assert json.loads(answer.content)["code"] == "too_many_requests"
        assert client.get("/v1/series", headers=bearer(made.text)).status_code == 200


def test_forecasts_of_many_series_are_limited_to_what_the_key_reaches(client, header_of):
    header = header_of("forecast", series=("plant/*",))
    asked = {"ids": ["motor", "secret", "nobody", "pump"]}
    lines = client.post("/v1/forecasts", json=asked, headers=header).json()["forecasts"]
    assert [line.get("dataset") or line["error"]["code"] for line in lines] == [
        "plant",
        "unknown_series",
        "unknown_series",
        "plant",
    ]
    searched = client.post("/v1/forecasts", json={"query": {"search": ""}}, headers=header).json()["forecasts"]
    assert {line["dataset"] for line in searched} == {"plant"}
    assert client.post("/v1/forecasts", json={"query": {"dataset": "mill"}}, headers=header).status_code == 404


def test_the_openapi_document_says_which_scope_each_operation_needs(client):
    paths = client.get("/openapi.json").json()["paths"]
    for route in auth.leaves(client.app.routes):
        for method in route.methods - {"HEAD"}:
            right = auth.right_of(route)
            if operation := paths.get(route.path_format, {}).get(method.lower()):
                assert operation["security"] == ([{"key": [right]}] if right else [])


def test_no_handler_finds_series_without_regard_to_the_callers_key(root):
    routers = list((root / "service" / "routers").glob("*.py"))
    assert len(routers) > 5
    assert [path.name for path in routers if ".directory" in path.read_text()] == []
