"""Server-sent events, from a service in its own process."""

import json
import threading
import time
from contextlib import contextmanager, suppress

import httpx
import pytest

from tests.support.server_kit import running
from tests.support.service_kit import World, baseline, panel_of, rows, until

PANEL = panel_of("a", "b")


@pytest.fixture
def server(tmp_path):
    world = World.at(tmp_path)
    world.promote(world.ingest("sensors", "a", "b"), baseline(PANEL, "naive"), PANEL)
    with running(world, tmp_path / "log") as server:
        yield server


@contextmanager
def watching(server, path, **headers):
    """The events of a stream, as (id, body), in a list that grows; ends with the block."""
    found, opened = [], threading.Event()

    def read():
        with httpx.stream("GET", server.url + path, headers=headers, timeout=120) as answer:
            assert answer.status_code == 200, answer.read()
            opened.set()
            number = None
            for line in answer.iter_lines():
                if line.startswith("id: "):
                    number = int(line[4:])
                elif line.startswith("data: "):
                    found.append((number, json.loads(line[6:])))
                if closed.is_set():
                    return

    closed = threading.Event()

    def read_until_it_ends():
        with suppress(httpx.TransportError):  # the server stops
            read()

    thread = threading.Thread(target=read_until_it_ends, daemon=True)
    thread.start()
    assert opened.wait(120)
    yield found
    closed.set()


def observe(server, sent):
    answer = httpx.post(f"{server.url}/v1/observations", json=sent, timeout=120)
    assert answer.status_code == 200, answer.text


def test_a_series_sends_every_value_with_its_sequence(server):
    with watching(server, "/v1/series/a/events") as events:
        until(lambda: len(events) == 1)
        assert events == [(0, {"sequence": 0})]
        observe(server, [*rows("a", [5.0, None, 7.0]), *rows("b", [1.0])])
        until(lambda: len(events) == 4)
        assert [(number, event["y"]) for number, event in events[1:]] == [(1, 5.0), (2, None), (3, 7.0)]
        observe(server, rows("a", [6.0], first=1))  # a correction
        until(lambda: len(events) == 5)
        assert (events[4][1]["y"], events[4][1]["ds"]) == (6.0, events[2][1]["ds"])


def test_a_client_that_comes_again_gets_what_it_missed(server):
    observe(server, rows("a", [1.0, 2.0, 3.0]))
    with watching(server, "/v1/series/a/events", **{"Last-Event-ID": "1"}) as events:
        until(lambda: len(events) == 3)
        assert [event.get("y") for _, event in events] == [None, 2.0, 3.0]


def test_more_rows_than_one_answer_has_are_counted_as_dropped(server):
    observe(server, rows("a", [float(value) for value in range(1200)]))
    with watching(server, "/v1/series/a/events", **{"Last-Event-ID": "0"}) as events:
        until(lambda: len(events) == 1002)
        assert events[1][1] == {"dropped": 200}
        assert (events[2][1]["y"], events[-1][1]["y"]) == (200.0, 1199.0)


def test_a_dataset_sends_few_notices_however_many_rows_arrive(server):
    with watching(server, "/v1/events?dataset=sensors") as events:
        begin = time.monotonic()
        for step in range(60):
            observe(server, [*rows("a", [1.0], first=step), *rows("b", [1.0], first=step)])
        until(lambda: events and events[-1][1]["sequence"] == 120)
        assert len(events) <= 4 * (time.monotonic() - begin) + 2
        assert events[-1][1] == {"dataset": "sensors", "sequence": 120, "version": 1, "changed": 2, "ids": ["a", "b"]}


def test_open_streams_do_not_hold_the_stop_and_are_no_durations(server):
    with watching(server, "/v1/events"), watching(server, "/v1/series/a/events") as events:
        until(lambda: len(events) == 1)
        metrics = httpx.get(f"{server.url}/metrics", timeout=120).text
        assert "/events" not in metrics
        server.process.terminate()
        server.process.wait(timeout=120)


def test_an_id_that_is_none_is_refused(server):
    answer = httpx.get(f"{server.url}/v1/series/a/events", headers={"Last-Event-ID": "x"}, timeout=120)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_header")
