"""Every error is a problem of at most 4 kB that repeats nothing of the request but a plain name that is too much."""

import json
from urllib.parse import quote

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import StoreUnavailable
from data.store import observation_log
from tests.support.service_kit import World, baseline, panel_of, rows

MARKER = "m4rk3r"
FIELDS = ("unique_id", "ds", "y", "dataset", "observations", "other")
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    world = World.at(tmp_path_factory.mktemp("errors"), max_body_bytes=100_000)
    world.promote(world.ingest("sensors", "a"), baseline(panel_of("a")), panel_of("a"))
    with world.serving() as client:
        yield client


def problem(answer, status: int, code: str) -> dict:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (body["status"], body["code"]) == (status, code)
    assert body["request_id"] == answer.headers["x-request-id"]
    assert {"type", "title", "detail"} <= body.keys()
    assert len(answer.content) <= 4_000
    assert MARKER not in answer.text
    return body


def test_an_unknown_path_is_a_problem(client):
    problem(client.get(f"/{MARKER}"), 404, "not_found")
    problem(client.get("/v1/series/"), 404, "unknown_series")


def test_a_wrong_method_is_a_problem_that_names_the_right_ones(client):
    answer = client.put("/v1/observations")
    problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"


def test_an_unknown_series_is_a_problem_that_points_at_the_path(client):
    for path in (f"/v1/series/{MARKER}", f"/v1/series/{MARKER}/forecast"):
        body = problem(client.get(path), 404, "unknown_series")
        assert body["errors"] == [{"pointer": "/path/unique_id", "message": "is not a series"}]
    problem(client.post(f"/v1/series/{MARKER}/observations", json=rows(MARKER, [1.0])), 404, "unknown_series")


def test_a_path_below_a_series_that_is_no_route_is_a_missing_route(client):
    for path in ("/v1/series/a/nothing", f"/v1/series/{MARKER}/nothing", "/v1/series/a/forecast/daily"):
        body = problem(client.get(path), 404, "not_found")
        assert "errors" not in body and "/docs" in body["detail"]
        problem(client.delete(path), 404, "not_found")
    problem(client.get(f"/v1/series/{MARKER}%2Fnothing"), 404, "unknown_series")
    problem(client.get(f"/v1/series/{MARKER}/nothing/forecast"), 404, "unknown_series")


@pytest.mark.parametrize(
    ("method", "path", "body", "pointer", "message"),
    [
        ("POST", "/v1/observations", [{"unique_id": "a", "ds": 1, "y": 1, "unit": "C"}], "/0",
         "has the field unit; the fields are unique_id, ds, y and dataset"),
        ("POST", "/v1/observations", {"observations": [], "source": "x"}, "",
         "has the field source beside observations"),
        ("POST", "/v1/series", [{"unique_id": "a", "horizon": 3}], "/0",
         "has the field horizon; the fields are unique_id and dataset"),
        ("POST", "/v1/forecasts", {"ids": ["a"], "steps": 3}, "",
         "has the field steps; the fields are ids, query, dataset, horizon, level and quantiles"),
        ("GET", "/v1/series/a?horizon=3", None, "/query", "has the parameter horizon beside dataset"),
        ("POST", "/v1/observations", [{"unique_id": "a", "ds": 1, "y": 1, "a b": 1}], "/0",
         "has an unknown field; the fields are unique_id, ds, y and dataset"),
    ],
)  # fmt: skip
def test_a_field_that_is_too_much_is_named(client, method, path, body, pointer, message):
    answer = client.request(method, path, json=body)
    assert (answer.status_code, answer.json()["errors"][0]) == (422, {"pointer": pointer, "message": message})


def test_an_unknown_dataset_is_a_problem_that_points_at_the_query(client):
    for path in ("/v1/series", "/v1/series/a", "/v1/series/a/forecast", "/v1/models"):
        body = problem(client.get(path, params={"dataset": MARKER}), 404, "unknown_dataset")
        assert body["errors"][0]["pointer"] == "/query/dataset"


def test_a_body_too_large_is_refused_before_it_is_read(client):
    problem(client.post("/v1/observations", content=b"x" * 100_001, headers=JSON), 413, "body_too_large")


def test_a_body_too_large_without_a_declared_length_is_refused(client):
    chunks = (b"[" + b" " * 50_000 for _ in range(10))
    problem(client.post("/v1/observations", content=chunks, headers=JSON), 413, "body_too_large")


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "text/json", MARKER, ""])
def test_a_body_that_is_not_json_is_refused(client, media_type):
    answer = client.post("/v1/observations", content=b"[]", headers={"content-type": media_type})
    problem(answer, 415, "unsupported_media_type")


def test_a_compressed_body_is_refused(client):
    headers = {**JSON, "content-encoding": "gzip"}
    problem(client.post("/v1/observations", content=b"[]", headers=headers), 415, "unsupported_encoding")


@pytest.mark.parametrize(
    "body",
    [b"[{", b"[NaN]", b'{"' + MARKER.encode() + b'": NaN}', b"[" * 9000, b"\xff", rb'["\ud800"]', b""],
    ids=lambda body: body[:12],
)
def test_a_body_that_cannot_be_read_is_a_problem(client, body):
    answer = client.post("/v1/observations", content=body, headers=JSON)
    assert answer.json()["errors"]
    problem(answer, 422, answer.json()["code"])


def test_thousands_of_bad_rows_make_a_short_answer(client):
    sent = [{"unique_id": "a", "ds": MARKER, "y": MARKER}] * 1500
    body = problem(client.post("/v1/observations", json=sent), 422, "invalid_observation")
    assert len(body["errors"]) == 20
    assert body["errors"][0]["pointer"] == "/0/y"


@pytest.mark.parametrize(
    "query", ["horizon=7", "horizon=99999999", "level=96", "quantiles=0.01", "level=80&quantiles=0.1"]
)
def test_a_forecast_that_the_model_was_not_trained_for_is_a_problem(client, query):
    body = problem(client.get(f"/v1/series/a/forecast?{query}"), 422, "invalid_query")
    assert body["errors"][0]["pointer"] == "/query/" + query.partition("=")[0]


def test_an_invalid_request_id_is_replaced_and_a_valid_one_kept(client):
    assert client.get("/health/live", headers={"x-request-id": "abc-1"}).headers["x-request-id"] == "abc-1"
    assert client.get("/health/live", headers={"x-request-id": "a b"}).headers["x-request-id"] != "a b"


def test_a_store_that_fails_is_503_and_no_state_advances(client, monkeypatch):
    before = client.get("/v1/series/a/forecast").json()

    def full(*_):
        raise StoreUnavailable(f"the disk is full ({MARKER})")

    monkeypatch.setattr(observation_log, "append", full)
    answer = client.post("/v1/observations", json=rows("a", [1.0]))
    problem(answer, 503, "unavailable")
    assert answer.headers["retry-after"] == "1"
    assert client.get("/v1/series/a/forecast").json() == before
    monkeypatch.undo()
    assert client.post("/v1/observations", json=rows("a", [1.0])).json()["counts"]["applied"] == 1


def test_an_internal_error_is_500_without_a_traceback(client, monkeypatch, caplog):
    def broken(*_):
        raise RuntimeError(MARKER)

    monkeypatch.setattr("service.forecast.answers.read", broken)
    problem(client.get("/v1/series/a/forecast"), 500, "internal_error")
    assert MARKER in caplog.text


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=150)
@given(st.one_of(st.binary(max_size=60), st.builds(lambda value: json.dumps(value).encode(), anything)))
def test_no_body_causes_an_internal_error(client, body):
    answer = client.post("/v1/observations", content=body, headers=JSON)
    assert answer.status_code in (404, 422), answer.text
    problem(answer, answer.status_code, answer.json()["code"])
    assert all(fault["pointer"] == "" or fault["pointer"].startswith("/") for fault in answer.json()["errors"])


@settings(max_examples=100)
@given(st.text(max_size=30), st.text(max_size=30))
def test_no_path_or_query_causes_an_internal_error(client, text, query):
    for path in ("/v1/series/{}", "/v1/series/{}/forecast", "/v1/{}"):
        url = path.format(quote(text, safe="", errors="replace")) + "?" + quote(query, safe="=&,", errors="replace")
        answer = client.get(url)
        assert answer.status_code < 500, (url, answer.text)
        assert orjson.loads(answer.content)
