"""While a large batch advances the next one is stored; answers and states are as if it were not."""

import random
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from data.store import observation_log
from states import folding
from tests.support.service_kit import World, network, panel_of, rows, same_states, stamp, until

IDS = ("a", "b", "c")
PANEL = panel_of(*IDS)
MODEL = network(PANEL)


@pytest.fixture
def world(tmp_path, monkeypatch):
    """One network, and a writer to whom every batch is large and who is not called away."""
    monkeypatch.setattr("service.observe.background_advance.LARGE", 1)
    monkeypatch.setattr("service.observe.writer.Writer.look", lambda _: None)
    return World.at(tmp_path)


@pytest.fixture
def client(world):
    world.promote(world.ingest("sensors", *IDS, "new"), MODEL, PANEL)
    with world.serving() as client:
        yield client


class Held:
    """`folding.take_in`, which goes on when it is told to, and fails where it is told to."""

    def __init__(self, monkeypatch):
        self.entered, self.go_on, self.fails, self._real = threading.Event(), threading.Event(), False, folding.take_in
        monkeypatch.setattr(folding, "take_in", self)

    def __call__(self, engine, champion, read, at_once=None):
        if not len(read):  # a look into the log that finds nothing
            return 0
        self.entered.set()
        assert self.go_on.wait(100)
        if self.fails:
            self.fails = False
            raise ValueError("no arithmetic can take it")
        return self._real(engine, champion, read, at_once)


def post(client, sent):
    answer = client.post("/v1/observations", json=sent)
    assert answer.status_code == 200, answer.text
    return answer.json()["outcomes"]


def follows(world, client, unique_id):
    """Is the series' state what the log gives, and said to be?"""
    target = client.app.state.runtime.directory.find(unique_id)
    row = target.served.champion.states.read(target.series)
    return not row.stale and same_states(row.state, world.folded(world.ingest("sensors"), MODEL, PANEL, unique_id))


def begun(pool, client, held, unique_id) -> "Future[list[str]]":
    """A request whose rows are stored and do not advance yet."""
    answer = pool.submit(post, client, rows(unique_id, [1.0]))
    assert held.entered.wait(100)
    return answer


def test_the_next_rows_are_stored_meanwhile_and_nobody_is_answered_before_his_advanced(world, client, monkeypatch):
    held = Held(monkeypatch)
    with ThreadPoolExecutor() as pool:
        first = begun(pool, client, held, "a")
        second = pool.submit(post, client, rows("b", [2.0, 3.0]))
        until(lambda: observation_log.last_seq(world.engine, 1) == 3)
        assert not first.done() and not second.done()
        held.go_on.set()
        assert (first.result(), second.result()) == (["applied"], ["applied", "applied"])
    assert follows(world, client, "a") and follows(world, client, "b")


def test_a_row_of_a_series_that_is_moving_is_judged_when_it_has_moved(world, client, monkeypatch):
    held = Held(monkeypatch)
    with ThreadPoolExecutor() as pool:
        first = begun(pool, client, held, "a")
        again = pool.submit(post, client, rows("a", [1.0, 5.0]))
        time.sleep(0.3)  # long enough to store it, if it did not wait
        assert observation_log.last_seq(world.engine, 1) == 1
        held.go_on.set()
        assert (first.result(), again.result()) == (["applied"], ["duplicate", "applied"])
    assert world.logged(world.ingest("sensors"), "a") == [(0, 1.0), (1, 5.0)]


def test_behind_rows_that_could_not_advance_the_next_ones_are_not_lost(world, client, monkeypatch):
    held = Held(monkeypatch)
    held.fails = True
    with ThreadPoolExecutor() as pool:
        first = begun(pool, client, held, "new")
        second = pool.submit(post, client, rows("b", [2.0]))
        until(lambda: observation_log.last_seq(world.engine, 1) == 2)
        held.go_on.set()
        assert (first.result(), second.result()) == (["applied"], ["applied"])  # they are stored, whatever happens
    assert post(client, rows("c", [3.0])) == ["applied"]
    until(lambda: client.get("/v1/series/new").json()["origin"] == stamp(0))
    until(lambda: follows(world, client, "b") and follows(world, client, "c"))


def test_many_clients_at_once_leave_the_states_that_their_log_gives(world, client):
    def send(seed: int) -> None:
        draw = random.Random(seed)
        for _ in range(12):
            one, first = draw.choice(IDS), draw.randrange(20)
            post(client, rows(one, [float(draw.randrange(3)) for _ in range(draw.randint(1, 3))], first))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(send, range(6)))
    assert all(follows(world, client, one) for one in IDS)
