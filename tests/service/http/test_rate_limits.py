"""A token bucket for each key and each address, checked before a body is read, in bounded memory."""

import asyncio

import pytest

from data.store import keys
from service.app import create_app
from service.http.auth import _address
from service.http.rate_limits import RateLimiter
from tests.support.service_kit import World, until


def test_a_bucket_holds_its_burst_and_gains_its_rate():
    limiter = RateLimiter(rate=2, burst=3)
    assert [limiter.take("a", 0.0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert limiter.take("a", 0.5) == 0
    assert limiter.take("a", 0.5) == 0.5
    assert [limiter.take("a", 60.0) for _ in range(4)] == [0, 0, 0, 0.5]  # never more than the burst


def test_each_name_has_its_own_bucket():
    limiter = RateLimiter(rate=1, burst=1)
    assert (limiter.take("a", 0), limiter.take("a", 0), limiter.take("b", 0)) == (0, 1, 0)


def test_a_refused_request_takes_no_token():
    limiter = RateLimiter(rate=1, burst=1)
    limiter.take("a", 0)
    for _ in range(100):
        assert limiter.take("a", 0.5) == 0.5
    assert limiter.take("a", 1.0) == 0


def test_a_rate_of_zero_is_no_limit():
    limiter = RateLimiter(rate=0, burst=0)
    assert {limiter.take("a", 0) for _ in range(1000)} == {0} and len(limiter) == 0


def test_memory_is_bounded_and_the_least_recently_used_buckets_are_dropped():
    limiter = RateLimiter(rate=0.001, burst=2, max_names=10)
    limiter.take("often", 0)
    for n in range(1000):
        limiter.take(f"once {n}", 0)
        assert limiter.take("often", 0) >= 0
    assert len(limiter) == 10
    assert limiter.take("often", 0) > 0


def slow_world(tmp_path, **settings) -> World:
    return World.at(tmp_path, auth="on", **{"key_rate": 0.0, "address_rate": 0.0, **settings})


@pytest.fixture
def two_keys(tmp_path):
    """A world and the headers of two keys, each with a rate of one request in 1000 seconds."""
    world = slow_world(tmp_path, key_rate=0.001)
    headers = [{"Authorization": f"Bearer {keys.create(world.engine, name, ['read']).text}"} for name in "ab"]
    return world, headers


def test_too_many_requests_of_one_key_are_429_with_retry_after(two_keys, monkeypatch):
    world, (first, second) = two_keys
    monkeypatch.setattr("service.http.auth.BURST_SECONDS", 10_000)  # seconds' worth of requests at once
    with world.serving() as client:
        until(lambda: client.app.state.runtime.keyring.known)
        answers = [client.get("/v1/series", headers=first) for _ in range(12)]
        assert [answer.status_code for answer in answers] == [200] * 10 + [429] * 2
        assert answers[-1].json()["code"] == "too_many_requests"
        assert 900 <= int(answers[-1].headers["retry-after"]) <= 1000
        assert client.get("/v1/series", headers=second).status_code == 200


def test_too_many_requests_of_one_address_are_429_with_or_without_a_key(tmp_path, monkeypatch):
    monkeypatch.setattr("service.http.auth.BURST_SECONDS", 10_000)
    with slow_world(tmp_path, address_rate=0.002).serving() as client:
        statuses = [client.get("/health/live").status_code for _ in range(40)]
    assert statuses[-20:] == [429] * 20


def test_on_loopback_without_keys_there_is_no_limit(tmp_path):
    with World.at(tmp_path, address_rate=0.001, key_rate=0.001).serving() as client:
        assert {client.get("/health/live").status_code for _ in range(50)} == {200}


def test_the_body_of_a_refused_request_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr("service.http.auth.BURST_SECONDS", 1)
    app = create_app(slow_world(tmp_path, address_rate=0.001).settings)
    read, statuses = [], []

    async def receive():
        read.append(1)
        return {"type": "http.request", "body": b"[", "more_body": True}

    async def send(message):
        statuses.append(message.get("status"))

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
        "path": "/v1/observations", "raw_path": b"/v1/observations", "root_path": "", "query_string": b"",
        "headers": [(b"host", b"localhost")], "server": ("127.0.0.1", 8000), "client": ("192.0.2.1", 9),
    }  # fmt: skip
    for _ in range(3):
        asyncio.run(app({**scope, "state": {}}, receive, send))
    assert [status for status in statuses if status] == [
        503,
        429,
        429,
    ]  # 503: its keys are not read
    assert read == []


def test_addresses_of_one_ipv6_network_share_a_bucket():
    assert _address({"client": ("2001:db8:1:2::a", 1)}) == _address({"client": ("2001:db8:1:2:ffff::b", 2)})
    assert _address({"client": ("2001:db8:1:2::a", 1)}) != _address({"client": ("2001:db8:1:3::a", 1)})
    assert _address({"client": ("192.0.2.1", 1)}) == "192.0.2.1"
    assert _address({"client": None}) == ""
