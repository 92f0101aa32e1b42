"""Servers that fail, redirect or lead in circles."""

import http.server
import threading

import pytest

from data.errors import InvalidInput, Unavailable
from data.formats.options import SourceOptions
from pipelines.ingestion.ingest import ingest
from pipelines.workspace import open_workspace


class Flaky(http.server.BaseHTTPRequestHandler):
    """Fails some times, then answers; every answer is noted."""

    failures: list = []  # noqa: RUF012
    answered: list = []  # noqa: RUF012

    def do_GET(self):
        status, headers = self.failures.pop(0) if self.failures else (200, {})
        self.answered.append(status)
        self.send_response(status)
        body = b"ds,y\n2024-01-01,1\n2024-01-02,2\n" if status == 200 else b""
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def flaky(monkeypatch):
    monkeypatch.setattr("data.sources.retries.FIRST_WAIT", 0.001)
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    handler = type("Mine", (Flaky,), {"failures": [], "answered": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", handler, waited
        server.shutdown()


def test_a_server_that_recovers_is_asked_again_after_as_long_as_it_says(flaky):
    address, handler, waited = flaky
    handler.failures[:] = [(429, {"Retry-After": "7"}), (503, {}), (500, {"Retry-After": "3600"})]
    assert ingest(open_workspace(), f"{address}/plant.csv", "plant", SourceOptions()).added == 2
    assert handler.answered == [429, 503, 500, 200]
    assert waited[0] == 7
    assert waited[2] == 60  # an hour is not waited for


def test_a_server_that_stays_broken_is_asked_five_times_and_one_that_refuses_once(flaky):
    address, handler, _ = flaky
    handler.failures[:] = [(500, {})] * 9
    with pytest.raises(Unavailable, match="answered 500"):
        ingest(open_workspace(), f"{address}/plant.csv?token=marker", "plant", SourceOptions())
    assert handler.answered == [500] * 5
    handler.failures[:] = [(403, {})]
    with pytest.raises(InvalidInput, match="answered 403"):
        ingest(open_workspace(), f"{address}/plant.csv", "plant", SourceOptions())
    assert handler.answered == [*[500] * 5, 403]


def test_a_redirect_to_a_private_address_and_a_page_of_another_server_are_not_followed(flaky):
    address, handler, _ = flaky
    handler.failures[:] = [(302, {"Location": "http://localhost:1/plant.csv"})]
    with pytest.raises(InvalidInput, match="redirects to a private address"):
        ingest(open_workspace(), f"{address}/plant.csv", "plant", SourceOptions())
