"""Fault 40: Schemathesis makes valid and invalid requests from the OpenAPI document.

No answer is a 5xx, and the status, media type and schema of each are in the document.
"""

import pytest
import requests
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from data.store import keys
from service import openapi_file
from tests.support.service_kit import LOCAL, World, network, panel_of, until

DOCUMENT = schemathesis.openapi.from_path(openapi_file.FILE)
OPERATIONS = {found.label: found for found in (result.ok() for result in DOCUMENT.get_all_operations())}
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
BEFORE_ANY_ROUTE = {400, 408, 413, 414, 415, 421, 431}  # not in the document: the same for every operation
EXAMPLES = 25  # of each operation, valid and invalid
STREAMS = {
    "GET /v1/events",
    "GET /v1/series/{unique_id}/events",
}  # without an end: see `tests/service/http/test_events.py`
CASES = [
    pytest.param(operation, mode, id=f"{label} {mode.value}")
    for label, operation in OPERATIONS.items()
    for mode in GenerationMode
    if label not in STREAMS
    if mode.is_positive or operation.body or any(operation.iter_parameters())  # else no request can be invalid
]


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    world = World.at(tmp_path_factory.mktemp("schemathesis"), auth="on", key_rate=0, address_rate=0)
    panel = panel_of("a", "machine_temperature")
    world.promote(world.ingest("sensors", "a", "machine_temperature"), network(panel), panel)
    with world.serving() as client:
        client.headers["Authorization"] = f"Bearer {keys.create(world.engine, 'fuzzer', ['admin']).text}"
        until(lambda: client.get("/v1/series").status_code == 200)
        yield client


def send(client: TestClient, case: Case):
    """Send the same bytes as Schemathesis would, to the app in this process."""
    prepared = requests.Request(**case.as_transport_kwargs(base_url=LOCAL)).prepare()
    headers = {**prepared.headers, "Authorization": client.headers["Authorization"]}
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    return client.request(prepared.method, prepared.url, headers=encoded, content=prepared.body)


@pytest.mark.parametrize(("operation", "mode"), CASES)
def test_no_request_made_from_the_document_causes_an_internal_error(client, operation, mode):
    @settings(max_examples=EXAMPLES, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(operation.as_strategy(generation_mode=mode))
    def ask(case: Case) -> None:
        answer = send(client, case)
        if answer.status_code in BEFORE_ANY_ROUTE:
            assert answer.headers["content-type"] == "application/problem+json"
        else:
            case.validate_response(answer, checks=CHECKS)

    ask()


def test_every_operation_of_the_document_is_tested():
    assert {
        f"{method.upper()} {path}" for path, ways in DOCUMENT.raw_schema["paths"].items() for method in ways
    } == set(OPERATIONS)
    assert len(CASES) > len(OPERATIONS) >= 12
