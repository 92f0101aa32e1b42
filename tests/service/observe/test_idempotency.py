"""A request sent again under its Idempotency-Key gets the answer that its client missed (fault 46)."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi import Request
from sqlalchemy import func, select

from data.errors import StoreUnavailable
from data.records import idempotency
from data.store import observation_log, tables
from data.store.database import reading
from service.observe.idempotency import keyed_of
from tests.support.service_kit import World, baseline, median, panel_of, rows, until

PANEL = panel_of("a", "b")


@pytest.fixture(params=["sqlite", "postgres"])
def world(request, tmp_path):
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""
    world = World.at(tmp_path, url)
    world.promote(world.ingest("sensors", "a", "b"), baseline(PANEL), PANEL)
    return world


def send(client, sent, key="one", path="/v1/observations"):
    return client.post(path, json=sent, headers={"idempotency-key": key})


def kept(world):
    with reading(world.engine) as connection:
        return connection.scalar(select(func.count()).select_from(tables.idempotency))


def test_the_same_request_again_is_answered_alike_whatever_happened_since(world):
    sent = [*rows("a", [1.0, 2.0]), *rows("nobody", [3.0])]
    with world.serving() as client:
        first = send(client, sent)
        assert first.json()["outcomes"] == ["applied", "applied", "rejected"]
        assert "idempotency-replayed" not in first.headers
        send(client, rows("a", [5.0, 6.0]), key="two")  # corrects both
        known = median(client, "a")
        again = send(client, sent)  # by itself it would undo the correction
        assert (again.content, again.headers["idempotency-replayed"]) == (first.content, "true")
        assert median(client, "a") == known
    with world.serving() as client:  # and after a restart
        assert send(client, sent).content == first.content
    assert world.logged(world.ingest("sensors"), "a") == [(0, 1.0), (1, 2.0), (0, 5.0), (1, 6.0)]


def test_another_request_under_the_same_key_is_refused(world):
    with world.serving() as client:
        send(client, rows("a", [1.0]))
        one = {"ds": rows("a", [1.0])[0]["ds"], "y": 1.0}
        for answer in (
            send(client, rows("a", [2.0])),
            send(client, one, path="/v1/series/a/observations"),
            send(client, one, path="/v1/series/b/observations"),
        ):
            assert (answer.status_code, answer.json()["code"]) == (422, "key_reused")
    assert world.logged(world.ingest("sensors"), "a") == [(0, 1.0)]


def test_keys_of_two_callers_do_not_meet():
    scope = {"type": "http", "path": "/", "query_string": b"", "headers": [(b"idempotency-key", b"one")]}
    scope |= {"server": ("127.0.0.1", 80), "scheme": "http"}
    one, other = (keyed_of(Request(scope), caller, b"{}") for caller in ("one", "other"))
    assert one.key != other.key
    assert one.fingerprint == other.fingerprint


def test_of_two_at_once_one_is_stored_and_the_other_told_to_ask_again(world, monkeypatch):
    stored, store = threading.Event(), observation_log.append

    def slow(*args):
        assert stored.wait(100)
        return store(*args)

    with world.serving() as client, ThreadPoolExecutor(1) as pool:
        monkeypatch.setattr(observation_log, "append", slow)
        first = pool.submit(send, client, rows("a", [1.0]))
        until(lambda: client.app.state.runtime.in_progress.keys)
        second = send(client, rows("a", [1.0]))
        stored.set()
        assert (second.status_code, second.json()["code"], second.headers["retry-after"]) == (409, "in_progress", "1")
        missed = first.result().content
        assert send(client, rows("a", [1.0])).content == missed
    assert world.logged(world.ingest("sensors"), "a") == [(0, 1.0)]


def test_a_refusal_is_not_kept_and_may_be_tried_again(world, monkeypatch):
    def full(*_):
        raise StoreUnavailable("the disk is full")

    with world.serving() as client:
        monkeypatch.setattr(observation_log, "append", full)
        assert send(client, rows("a", [1.0])).status_code == 503
        monkeypatch.undo()
        answer = send(client, rows("a", [1.0]))
        assert answer.json()["outcomes"] == ["applied"]
        assert "idempotency-replayed" not in answer.headers


def test_rows_and_answer_are_kept_together_or_not_at_all(world, monkeypatch):
    def failing(*_):
        raise StoreUnavailable("the connection was lost")

    with world.serving() as client:
        monkeypatch.setattr(idempotency, "keep", failing)
        assert send(client, rows("a", [1.0])).status_code == 503
        assert world.logged(world.ingest("sensors"), "a") == []


def test_a_request_whose_rows_are_all_known_is_kept_too(world):
    with world.serving() as client:
        send(client, rows("a", [1.0]), key="one")
        assert send(client, rows("a", [1.0]), key="two").json()["outcomes"] == ["duplicate"]
        send(client, rows("a", [9.0]), key="three")
        assert send(client, rows("a", [1.0]), key="two").json()["outcomes"] == ["duplicate"]


def test_answers_lapse_and_are_swept_away(tmp_path):
    world = World.at(tmp_path, idempotency_keep_s=0.05, snapshot_every_s=0.05)
    world.promote(world.ingest("sensors", "a", "b"), baseline(PANEL), PANEL)
    with world.serving() as client:
        send(client, rows("a", [1.0]))
        until(lambda: not kept(world))
        assert send(client, rows("a", [2.0])).json()["outcomes"] == ["corrected"]


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 129, "é".encode()], ids=repr)
def test_a_key_is_a_plain_word(tmp_path, key):
    world = World.at(tmp_path)
    world.promote(world.ingest("sensors", "a", "b"), baseline(PANEL), PANEL)
    with world.serving() as client:
        answer = send(client, rows("a", [1.0]), key=key)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/header/idempotency-key")
