"""The app as a whole: what it imports, its OpenAPI document, its metrics, and that its answers match the document."""

import re
import subprocess
import sys

import pytest
from fastapi.testclient import TestClient

from data.records import runs
from service import openapi_file
from service.app import create_app
from service.models import flow_successes
from service.schemas import (
    common_bodies,
    dataset_bodies,
    deletion_bodies,
    forecast_bodies,
    health_bodies,
    model_bodies,
    observation_bodies,
    operation_bodies,
    score_bodies,
    series_bodies,
)
from tests.support.service_kit import LOCAL, World, baseline, panel_of, rows

BODY_MODULES = (
    common_bodies,
    dataset_bodies,
    deletion_bodies,
    forecast_bodies,
    health_bodies,
    model_bodies,
    observation_bodies,
    operation_bodies,
    score_bodies,
    series_bodies,
)
HEAVY = ("torch", "lightning", "pytorch_lightning", "prefect", "mlflow", "polars", "deltalake")
ANSWER_ONE_REQUEST = """
import asyncio, importlib, pkgutil, sys
sys.modules.update(dict.fromkeys(sys.argv[2].split(",")))
import service
for found in pkgutil.walk_packages(service.__path__, "service."):
    importlib.import_module(found.name)
from pathlib import Path
from data.settings import Settings
from service.app import create_app

async def ask(app, path):
    sent = []
    scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
             "path": path, "raw_path": path.encode(), "root_path": "", "query_string": b"",
             "headers": [(b"host", b"localhost")], "server": ("127.0.0.1", 8000), "client": ("127.0.0.1", 9)}
    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}
    async def send(message):
        sent.append(message)
    await app(scope, receive, send)
    return sent[0]["status"], b"".join(part.get("body", b"") for part in sent[1:])

async def main():
    app = create_app(Settings(home=Path(sys.argv[1])))
    async with app.router.lifespan_context(app):
        while (await ask(app, "/health/ready"))[0] != 200:
            await asyncio.sleep(0.01)
        status, body = await ask(app, "/v1/series/a/forecast")
        print(status, body.decode())

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    world = World.at(tmp_path_factory.mktemp("app"))
    world.promote(world.ingest("sensors", "a", "empty"), baseline(panel_of("a")), panel_of("a"))
    return world


@pytest.fixture(scope="module")
def client(world):
    with world.serving() as client:
        yield client


def test_it_forecasts_in_a_process_where_the_heavy_libraries_cannot_be_imported(world, root):
    command = [sys.executable, "-c", ANSWER_ONE_REQUEST, str(world.settings.home), ",".join(HEAVY)]
    outcome = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=300)
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.startswith('200 {"dataset":"sensors"')


def test_it_is_live_before_it_is_ready_and_says_what_it_waits_for(tmp_path):
    app = create_app(World.at(tmp_path).settings)
    client = TestClient(app, LOCAL)  # not entered: its threads do not run
    assert client.get("/health/live").json() == {"status": "live"}
    for path in ("/health/ready", "/v1/series", "/v1/series/a/forecast"):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


def test_the_service_waits_for_a_store_that_does_not_answer(tmp_path):
    url = "postgresql+psycopg://nobody@127.0.0.1:1/nothing"
    settings = World.at(tmp_path).settings.model_copy(update={"database_url": url})
    with TestClient(create_app(settings), LOCAL) as client:
        answer = client.get("/health/ready")
        assert answer.status_code == 503
        assert client.get("/health/live").status_code == 200


def test_every_answer_matches_its_schema(client):
    posted = client.post("/v1/observations", json=rows("a", [1.0, None, 1e31])).json()
    for model, body in (
        (observation_bodies.Observed, posted),
        (forecast_bodies.Forecast, client.get("/v1/series/a/forecast").json()),
        (forecast_bodies.Forecasts, client.post("/v1/forecasts", json={"ids": ["a", "empty", "nobody"]}).json()),
        (score_bodies.Scores, client.get("/v1/scores").json()),
        (score_bodies.SeriesScores, client.get("/v1/series/a/scores").json()),
        (score_bodies.SeriesScores, client.get("/v1/series/empty/scores").json()),
        (series_bodies.State, client.get("/v1/series/a/state").json()),
        (series_bodies.Series, client.get("/v1/series/a").json()),
        (series_bodies.Series, client.get("/v1/series/empty").json()),
        (series_bodies.SeriesPage, client.get("/v1/series").json()),
        (model_bodies.Models, client.get("/v1/models").json()),
        (health_bodies.Health, client.get("/health/ready").json()),
        (health_bodies.Health, client.get("/health/live").json()),
        (health_bodies.Version, client.get("/version").json()),
        (dataset_bodies.Datasets, client.get("/v1/datasets").json()),
        (forecast_bodies.EarlierForecasts, client.get("/v1/series/a/vintages").json()),
        (model_bodies.Promotions, client.get("/v1/promotions").json()),
        (operation_bodies.Runs, client.get("/v1/runs").json()),
        (operation_bodies.Jobs, client.get("/v1/jobs").json()),
        (operation_bodies.Schedules, client.get("/v1/schedules").json()),
        (operation_bodies.QuarantinePage, client.get("/v1/quarantine").json()),
        (operation_bodies.DriftLines, client.get("/v1/drift").json()),
        (common_bodies.Problem, client.get("/v1/series/nobody").json()),
    ):
        model.model_validate(body)


def test_every_route_and_parameter_is_in_the_openapi_document(client):
    document = client.get("/openapi.json").json()
    assert set(document["paths"]) == {
        "/v1/observations",
        "/v1/series",
        "/v1/series/{unique_id}",
        "/v1/series/{unique_id}/observations",
        "/v1/series/{unique_id}/forecast",
        "/v1/series/{unique_id}/continuations",
        "/v1/series/{unique_id}/vintages",
        "/v1/series/{unique_id}/network",
        "/v1/series/{unique_id}/state",
        "/v1/series/{unique_id}/scores",
        "/v1/forecasts",
        "/v1/scores",
        "/v1/models",
        "/v1/datasets",
        "/v1/datasets/{name}",
        "/v1/datasets/{name}/groups",
        "/v1/datasets/{name}/promote",
        "/v1/datasets/{name}/retrain",
        "/v1/datasets/{name}/rollback",
        "/v1/drift",
        "/v1/jobs",
        "/v1/jobs/{id}",
        "/v1/promotions",
        "/v1/quarantine",
        "/v1/quarantine/release",
        "/v1/runs",
        "/v1/schedules",
        "/v1/events",
        "/v1/series/{unique_id}/events",
        "/v1/deletions",
        "/v1/deletions/{id}",
        "/health/live",
        "/health/ready",
        "/metrics",
        "/version",
    }
    forecast = document["paths"]["/v1/series/{unique_id}/forecast"]["get"]
    names = [parameter["name"] for parameter in forecast["parameters"]]
    assert names == ["unique_id", "horizon", "level", "quantiles", "dataset", "as_of", "within"]
    known = document["components"]["schemas"]
    assert set(re.findall(r"#/components/schemas/(\w+)", client.get("/openapi.json").text)) <= known.keys()


def test_the_openapi_file_equals_the_document_of_the_service():
    assert openapi_file.FILE.read_text() == openapi_file.openapi_text(), "run `make openapi`"


def bodies(document):
    """Every body of every route, as (where, content)."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            places = {"body": operation.get("requestBody", {}), **operation["responses"]}
            for place, described in places.items():
                for media_type, content in described.get("content", {}).items():
                    yield f"{method} {path} {place} {media_type}", content


def model_of(name):
    """The body model of this name."""
    return next(getattr(module, name) for module in BODY_MODULES if hasattr(module, name))


def test_every_body_has_an_example_of_its_schema(client):
    document = client.get("/openapi.json").json()
    assert [where for where, content in bodies(document) if "example" not in content] == [], (
        "see service/schemas/examples.py"
    )
    for _, content in bodies(document):
        name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
        if name:
            model_of(name).model_validate(content["example"])


def test_the_documentation_page_loads_nothing_from_other_hosts(client):
    page = client.get("/docs")
    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    texts = [page.text, *(client.get(path).text for path in re.findall(r'(?:src|href)="(/docs/[^"]+)"', page.text))]
    assert len(texts) == 3
    assert not any(re.search(r"https?://|//cdn|@import", text) for text in texts)


def test_metrics_have_conventional_names_and_no_series_ids(client):
    client.post("/v1/observations", json=rows("a", [3.0], first=5))
    client.get("/v1/series/a/forecast")
    text = client.get("/metrics").text
    for line in (
        'rollcast_http_request_duration_seconds_count{method="GET",route="/v1/series/{unique_id}/forecast",status="200"}',
        'rollcast_observe_duration_seconds_count{model="seasonal_naive"}',
        'rollcast_forecast_duration_seconds_count{model="seasonal_naive"}',
        'rollcast_observations_total{outcome="applied"}',
        'rollcast_state_restores_total{reason="restart"}',
        "rollcast_series_active 1.0",
        "rollcast_state_bytes",
        "process_resident_memory_bytes",
        "process_cpu_seconds_total",
        'rollcast_model_info{alias="champion",dataset="sensors",model="seasonal_naive",version="1"} 1.0',
    ):
        assert line in text
    assert "unique_id=" not in text


def test_the_label_model_is_the_kind_of_a_model_and_dataset_a_dataset(client):
    client.post("/v1/observations", json=rows("a", [1.0]))
    client.get("/v1/series/a/forecast")
    text = client.get("/metrics").text
    assert set(re.findall(r'[{,]model="([^"]*)"', text)) == {"seasonal_naive"}
    assert set(re.findall(r'[{,]dataset="([^"]+)"', text)) == {"sensors"}
    assert "name=" not in text


def test_metrics_show_when_each_flow_last_succeeded(client, world, monkeypatch):
    monkeypatch.setattr(flow_successes, "CACHE_SECONDS", 0.0)
    for flow, dataset in (("train", "pumps"), ("backup", None)):
        with runs.recorded(world.engine, flow, dataset):
            pass
    seconds = {key: at / 1e6 for key, at in runs.last_success(world.engine).items()}
    text = client.get("/metrics").text
    name = "rollcast_flow_last_success_timestamp_seconds"
    found = dict(re.findall(rf'{name}{{dataset="(\w*)",flow="\w+"}} (\S+)', text))
    assert {dataset: float(at) for dataset, at in found.items()} == {
        "pumps": seconds["train", "pumps"],
        "": seconds["backup", None],
    }


def test_an_unknown_path_does_not_become_a_label(client):
    client.get("/made/up/by/a/client")
    assert "made" not in client.get("/metrics").text
