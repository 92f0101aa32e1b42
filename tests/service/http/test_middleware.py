"""Faults 37, 38, 39, 49 and 50 against a real server: requests too large, too slow or for another host."""

import asyncio
import contextlib
import json
import socket
import time
from functools import partial

import httpx
import pytest
from fastapi.testclient import TestClient
from uvicorn import Config
from uvicorn.server import ServerState

from service.app import create_app
from service.http.middleware import BODY_SECONDS
from service.http.protocol import DeadlineProtocol
from tests.support.server_kit import Running, answer, post, running, status
from tests.support.service_kit import LOCAL, World, baseline, panel_of, stamp, until

MEGABYTE = 1_000_000
JSON = {"content-type": "application/json"}
ROW = json.dumps({"unique_id": "a", "ds": stamp(0), "y": 1.0}).encode()


def served(folder):
    """A world with one series; each service has its own."""
    world = World.at(folder)
    world.promote(world.ingest("sensors", "a"), baseline(panel_of("a")), panel_of("a"))
    return world


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    world = served(tmp_path_factory.mktemp("server"))
    with running(world, tmp_path_factory.mktemp("log") / "log", body_deadline_s="0.5") as server:
        yield server


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with served(tmp_path_factory.mktemp("client")).serving() as client:
        yield client


def code(received: bytes) -> str:
    return json.loads(received.partition(b"\r\n\r\n")[2])["code"]


def test_a_valid_request_is_answered(server):
    received = server.send(post(ROW, b"Content-Length: %d" % len(ROW)))
    assert status(received) == 200
    assert b"server: uvicorn" not in received


@pytest.mark.parametrize(
    "path", ["/v1/series/a", "/v1/series?dataset=sensors", "/health/live", "/docs", "/v1/series/b"]
)
def test_head_is_answered_like_get_without_the_body(server, path):
    host = (b"Host: 127.0.0.1", b"X-Request-Id: same", b"Connection: close")
    get, head = (
        server.send(b"\r\n".join((b"%s %s HTTP/1.1" % (verb, path.encode()), *host, b"", b"")))
        for verb in (b"GET", b"HEAD")
    )
    lines, _, body = get.partition(b"\r\n\r\n")
    head_lines, _, head_body = head.partition(b"\r\n\r\n")
    expected = [line for line in lines.split(b"\r\n") if not line.startswith(b"date")]
    assert [line for line in head_lines.split(b"\r\n") if not line.startswith(b"date")] == expected
    assert body and not head_body


def test_head_of_a_post_route_is_405(client):
    answer = client.head("/v1/observations")
    assert (answer.status_code, answer.headers["allow"], answer.content) == (405, "POST", b"")
    assert client.post("/v1/series/a").headers["allow"] == "GET, HEAD"


# --- fault 37: a body over the limit --------------------------------------------------------------------------------


def test_fault_37_a_body_declared_too_large_is_refused_before_it_is_sent(server):
    received = server.send(post(b"", b"Content-Length: 10000000", b"Expect: 100-continue"))
    assert (status(received), code(received)) == (413, "body_too_large")


@pytest.mark.parametrize("way", ["declared", "chunked"])
def test_fault_37_ten_megabytes_are_refused_and_memory_does_not_grow(server, way):
    server.send(post(ROW, b"Content-Length: %d" % len(ROW)))
    before = server.memory
    for _ in range(5):
        if way == "declared":
            received = server.send(post(b"", b"Content-Length: 10000000"), *[b" " * MEGABYTE] * 10)
        else:
            chunk = b"%x\r\n%s\r\n" % (MEGABYTE, b" " * MEGABYTE)
            received = server.send(post(b"", b"Transfer-Encoding: chunked"), *[chunk] * 10, b"0\r\n\r\n")
        assert (status(received), code(received)) == (413, "body_too_large")
    assert server.memory - before < 25 * MEGABYTE  # 50 were sent


def test_fault_37_a_body_at_the_limit_is_read_and_one_byte_more_is_refused(tmp_path):
    world = World.at(tmp_path, max_body_bytes=1000)
    with world.serving() as client:
        answers = [client.post("/v1/observations", content=b"[" + b" " * n, headers=JSON) for n in (999, 1000)]
    assert [answer.status_code for answer in answers] == [422, 413]


# --- faults 38 and 39: a slow head or body --------------------------------------------------------------------------


def test_fault_39_an_incomplete_body_is_408_at_the_deadline_and_the_connection_is_closed(server):
    with server.connect() as connection:
        connection.sendall(post(b"[", b"Content-Length: 100"))
        received = answer(connection)
        assert (status(received), code(received)) == (408, "body_too_slow")
        assert b"connection: close" in received.lower()
        assert closed(connection)


def test_fault_39_the_deadline_is_for_the_whole_body_not_for_each_piece(tmp_path):
    world, sent = served(tmp_path), []

    async def trickle():
        for _ in range(50):
            sent.append(1)
            yield b" "
            await asyncio.sleep(0.05)

    async def ask() -> int:
        app = create_app(world.settings.model_copy(update={"body_deadline_s": 0.3}))
        async with app.router.lifespan_context(app):
            while not app.state.runtime.readiness.ready:
                await asyncio.sleep(0.01)
            return await asgi_post(app, trickle())

    assert asyncio.run(ask()) == 408
    assert len(sent) < 50


async def asgi_post(app, pieces) -> int:
    """The status of a POST whose body comes from an asynchronous generator."""
    statuses = []

    async def receive():
        async for piece in pieces:
            return {"type": "http.request", "body": piece, "more_body": True}
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
        "path": "/v1/observations", "raw_path": b"/v1/observations", "root_path": "", "query_string": b"",
        "headers": headers, "server": ("127.0.0.1", 8000), "client": ("127.0.0.1", 9),
    }  # fmt: skip
    await app(scope, receive, send)
    return statuses[0]


@pytest.mark.slow
def test_fault_38_three_hundred_slow_heads_are_closed_and_other_requests_are_answered_meanwhile(server):
    with contextlib.ExitStack() as opened:
        slow = [opened.enter_context(server.connect()) for _ in range(300)]
        for number, connection in enumerate(slow):
            connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n" if number % 2 else b"")
        for _ in range(20):
            assert httpx.get(f"{server.url}/health/live", timeout=10).status_code == 200
        for connection in slow[1::2]:
            with contextlib.suppress(OSError):
                connection.sendall(b"X-More: 1\r\n")
        assert [closed(connection) for connection in slow] == [True] * 300
    assert httpx.get(f"{server.url}/health/live").status_code == 200


def test_fault_38_a_pause_of_the_process_does_not_count_towards_the_deadline_of_a_head(monkeypatch):
    """The deadline is ten ticks. The process then sleeps for longer than that, which must not count."""
    monkeypatch.setattr("service.http.protocol.TICK", 0.05)
    monkeypatch.setattr("service.http.protocol.HEAD_SECONDS", 0.5)

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async def ask() -> bytes:
        protocol = partial(DeadlineProtocol, Config(app, log_level="error"), ServerState(), {BODY_SECONDS: 1.0})
        async with await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0) as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
            await asyncio.sleep(0.02)
            time.sleep(1.0)
            await asyncio.sleep(0.02)
            writer.write(b"Connection: close\r\n\r\n")
            return await reader.read()

    assert asyncio.run(ask()).startswith(b"HTTP/1.1 204 ")


def test_a_connection_beyond_the_limit_is_answered_503_with_retry_after(tmp_path):
    with running(served(tmp_path), tmp_path / "log", max_connections="4") as server, contextlib.ExitStack() as opened:
        for _ in range(3):
            opened.enter_context(server.connect())
        received = server.send(b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert (status(received), code(received)) == (503, "too_many_connections")
        assert b"application/problem+json" in received and b"retry-after: 1\r\n" in received.lower()
        opened.close()
        until(lambda: httpx.get(f"{server.url}/health/live").status_code == 200)


def closed(connection: socket.socket) -> bool:
    connection.settimeout(30)
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.slow
def test_fault_38_the_connection_of_a_refused_unfinished_body_is_closed(server):
    """The answer is 413 at once; the rest of the body must not keep the connection open."""
    with server.connect() as connection:
        connection.sendall(post(b"", b"Content-Length: 10000000"))
        assert status(answer(connection)) == 413
        assert closed(connection)


# --- fault 49: a page of another site in a browser on this machine --------------------------------------------------


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", "192.0.2.1"]
)
def test_fault_49_a_name_that_was_rebound_to_loopback_is_refused(client, host):
    for method, path in (("GET", "/v1/series/a/forecast"), ("POST", "/v1/observations"), ("GET", "/docs")):
        answer = client.request(method, path, headers={"host": host})
        assert (answer.status_code, answer.json()["code"]) == (421, "wrong_host")
        assert "evil" not in answer.text


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "LOCALHOST:1234", "[::1]:8000"])
def test_a_loopback_name_in_host_is_answered(client, host):
    assert client.get("/v1/series", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["", "a b", "127.0.0.1:", "127.0.0.1:x", "localhost:80:80", "ä.example"])
def test_an_invalid_host_is_refused(client, host):
    assert client.get("/v1/series", headers={"host": host.encode("latin-1")}).status_code in (400, 421)


def test_allowed_hosts_are_answered_and_others_are_not(tmp_path):
    settings = World.at(tmp_path, allowed_hosts="forecast.example.com, other.example").settings
    with TestClient(create_app(settings), LOCAL) as client:
        assert client.get("/health/live", headers={"host": "Forecast.Example.com:443"}).status_code == 200
        assert client.get("/health/live", headers={"host": "example.com"}).status_code == 421
        posted = client.post("/v1/observations", headers={"host": "10.0.0.1"})
        assert posted.status_code == 421


FOREIGN = [
    "https://evil.example",
    "null",
    "http://127.0.0.1:9999",
    "http://localhost:8000",
    "file://",
    "127.0.0.1:8000",
]


@pytest.mark.parametrize("origin", FOREIGN)
def test_fault_49_a_foreign_page_cannot_post(client, origin):
    before = client.get("/v1/series/a").json()
    body = [{"unique_id": "a", "ds": stamp(3), "y": 1.0}]
    answer = client.post("/v1/observations", json=body, headers={"origin": origin})
    assert (answer.status_code, answer.json()["code"]) == (403, "foreign_origin")
    assert client.get("/v1/series/a").json() == before


def test_a_page_of_the_service_itself_can_post(client):
    body = [{"unique_id": "a", "ds": stamp(3), "y": 1.0}]
    assert client.post("/v1/observations", json=body, headers={"origin": LOCAL}).status_code == 200


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_fault_49_a_form_cannot_post_even_without_an_origin(client, media_type):
    body = json.dumps([{"unique_id": "a", "ds": stamp(4), "y": 1.0}])
    assert client.post("/v1/observations", content=body, headers={"content-type": media_type}).status_code == 415


def test_fault_49_no_page_may_read_across_origins_and_no_cookie_is_set(client):
    for path in ("/v1/series", "/docs", "/health/live", "/nothing"):
        headers = client.get(path, headers={"origin": "https://evil.example"}).headers
        assert not {name for name in headers if name.startswith("access-control-") or name == "set-cookie"}
        assert headers["cross-origin-resource-policy"] == "same-origin"
    preflight = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    assert client.options("/v1/observations", headers=preflight).status_code == 405


# --- fault 50: ambiguous and oversized heads ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        (b"Content-Length: 5", b"Content-Length: 6"),
        (b"Content-Length: 5", b"Transfer-Encoding: chunked"),
        (b"Content-Length: -1",),
        (b"Content-Length: 0x10",),
        (b"Content-Length: 99999999999999999999999999",),
        (b"Transfer-Encoding: chunked, identity",),
        (b"Host: 127.0.0.1",),
        (b"Authorization: a", b"Authorization: b"),
        (b"X-A : 1",),
        (b"X-A: 1\x00",),
        (b"No colon",),
    ],
)
def test_fault_50_an_ambiguous_head_is_400(server, headers):
    received = server.send(post(b"[]", *headers, b"Connection: close"))
    assert status(received) in (400, 413), received
    body = received.partition(b"\r\n\r\n")[2]
    assert b"application/problem+json" in received and json.loads(body)["code"] in ("bad_request", "body_too_large")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([b"X-%d: 1" % n for n in range(61)], 415),
        ([b"X-%d: 1" % n for n in range(62)], 431),
        ([b"X-Long: " + b"x" * 17_000], 431),
        ([b"X-Long: " + b"x" * 1_000_000], 431),
    ],
)
def test_fault_50_a_head_too_large_is_431(server, headers, expected):
    """Sent with Host, Content-Length and a refused encoding: 415 shows that the head itself was accepted."""
    received = server.send(
        b"\r\n".join(
            (
                b"POST /v1/observations HTTP/1.1",
                b"Host: 127.0.0.1",
                b"Content-Length: 2",
                b"Content-Encoding: br",
                *headers,
                b"",
                b"[]",
            )
        )
    )
    assert status(received) == expected


def test_fault_50_a_target_too_long_is_414(client):
    assert client.get("/v1/series?search=" + "x" * 9000).status_code == 414
    assert client.get("/" + "x" * 9000).status_code == 414


@pytest.mark.parametrize(
    "raw", [b"\x16\x03\x01\x02\x00\x01", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"G\x00T / HTTP/1.1\r\n\r\n"]
)
def test_fault_50_invalid_http_is_answered_with_a_problem(server, raw):
    received = server.send(raw)
    assert status(received) == 400 and code(received) == "bad_request"


def test_pipelined_requests_are_answered_in_turn(server):
    request = b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    received = server.send(request + request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert status(received) == 200


@pytest.mark.parametrize("protocol", [b"websocket", b"h2c"])
def test_fault_50_upgrades_to_other_protocols_are_not_followed(server, protocol):
    """After an upgrade the service would read bytes of a protocol that it does not know."""
    head = b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: " + protocol + b"\r\n\r\n"
    received = server.send(head + b"GET /v1/series HTTP/1.1\r\n\r\n")
    assert status(received) in (200, 400) and b"101" not in received.split(b"\r\n")[0]


def test_forwarded_headers_of_an_untrusted_client_are_ignored(tmp_path):
    with running(served(tmp_path), tmp_path / "log", auth="on", address_rate="1") as server, httpx.Client() as client:
        sent = [{"X-Forwarded-For": f"192.0.2.{n}", "Forwarded": f"for=192.0.2.{n}"} for n in range(40)]
        statuses = [client.get(f"{server.url}/health/live", headers=headers).status_code for headers in sent]
    assert 429 in statuses  # unless each request took a second


def test_behind_a_trusted_proxy_each_client_is_limited_on_its_own(tmp_path):
    settings = {"auth": "on", "address_rate": "1", "trusted_proxies": "127.0.0.1"}
    with running(served(tmp_path), tmp_path / "log", **settings) as server, httpx.Client() as client:
        sent = [{"X-Forwarded-For": f"192.0.2.{n}"} for n in range(40)]
        statuses = {client.get(f"{server.url}/health/live", headers=headers).status_code for headers in sent}
    assert statuses == {200}


def test_static_files_ignore_range_requests(client):
    answer = client.get("/docs/docs.js", headers={"range": "bytes=0-1,2-3,4-5"})
    assert answer.status_code == 200 and "content-range" not in answer.headers


def test_the_servers_log_has_no_traceback(server: Running):
    assert b"Traceback" not in server.log.read_bytes()
