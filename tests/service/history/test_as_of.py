"""A forecast as of an earlier moment is what was answered then."""

import pytest

from data import clock
from data.grid.stamps import format_ds
from data.store import anchors, promotions, tables
from data.store.database import writing
from forecasting.kernel.determinism import rows_are_independent
from states.reanchor import reanchor
from states.views import as_of
from tests.support.service_kit import HORIZON, World, network, panel_of, rows, stamp, until

PANEL = panel_of("a", "b")
LEVELS = ",".join(f"0.{k}" for k in range(1, 10))


@pytest.fixture
def world(tmp_path):
    world = World.at(tmp_path)
    world.promote(world.ingest("sensors", "a", "b", "late"), network(PANEL), PANEL)
    return world


def ask(client, as_of=None, unique_id: str = "a"):
    query = {"quantiles": LEVELS} | ({} if as_of is None else {"as_of": as_of})
    return client.get(f"/v1/series/{unique_id}/forecast", params=query)


def forecast(client, as_of=None, unique_id: str = "a"):
    answer = ask(client, as_of, unique_id)
    assert answer.status_code == 200, answer.text
    return answer.json()


def same(one, other) -> bool:
    """Equal to the bit where this machine promises it, else nearly."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and not rows_are_independent():
        return one == pytest.approx(other, rel=1e-5)
    return one == other


class Watched:
    """What a service answered after each request, by the sequence that the request ended with."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.answers: dict[int, dict] = {}
        self.times: dict[int, str] = {}

    def observe(self, client, *observations) -> int:
        posted = client.post("/v1/observations", json=[row for part in observations for row in part])
        assert posted.status_code == 200, posted.text
        sequence = posted.json()["sequence"]
        self.answers[sequence] = forecast(client)
        self.times[sequence] = str(format_ds(clock.now(), "instant"))
        return sequence

    def require_all(self, client) -> None:
        for sequence, answered in self.answers.items():
            assert same(forecast(client, sequence), answered), sequence
            assert same(forecast(client, self.times[sequence]), answered), sequence


@pytest.fixture
def watched(world):
    return Watched(world)


def value(step: int) -> float:
    return 10.0 + (step * 7) % 5


def test_every_answer_is_found_again_before_and_after_a_restart(world, watched):
    for begin in (0, 5, 10):
        with world.serving() as client:  # each start reads the snapshots that the stop before it wrote
            for step in range(begin, begin + 5):
                watched.observe(client, rows("a", [value(step)], step), rows("b", [1.0], step))
            watched.require_all(client)
    with world.engine.begin() as connection:
        connection.execute(tables.snapshots.delete())
    with world.serving() as client:  # from the contexts alone
        watched.require_all(client)


def test_a_correction_and_a_late_row_change_no_earlier_answer(world, watched):
    with world.serving() as client:
        for step in (0, 1, 2, 4):
            watched.observe(client, rows("a", [value(step)], step))
    with world.serving() as client:
        watched.observe(client, rows("a", [99.0], 1))  # of a step before the snapshot
        watched.observe(client, rows("a", [50.0], 3))  # late
        watched.observe(client, rows("a", [40.0], -3))  # within the context
        watched.observe(client, rows("a", [value(5)], 5))
        watched.require_all(client)
    with world.serving() as client:
        watched.require_all(client)
        assert not same(watched.answers[4], watched.answers[5])


def test_vintages_are_what_is_answered_as_of_their_origins(world, watched):
    with world.serving() as client:
        for step in range(2 * HORIZON + 1):
            watched.observe(client, rows("a", [value(step)], step))
        watched.observe(client, rows("a", [77.0], 2 * HORIZON - 1))
    with world.serving() as client:
        vintages = client.get("/v1/series/a/vintages").json()["vintages"]
        assert [v["origin"] for v in vintages] == [stamp(2 * HORIZON - 1), stamp(HORIZON - 1), stamp(-1)]
        for vintage in vintages:
            answered = forecast(client, vintage["sequence"])
            assert (answered["origin"], answered["ds"]) == (vintage["origin"], vintage["ds"])
            for level, values in vintage["quantiles"].items():
                assert values == pytest.approx(answered["quantiles"][level], rel=1e-5)


def test_rows_of_other_series_and_of_a_new_one_are_told_apart(world, watched):
    with world.serving() as client:
        before = watched.observe(client, rows("a", [1.0]))
        for step in range(12):
            client.post("/v1/observations", json=rows("late", [value(step)], step))
        assert ask(client, before, "late").json()["code"] == "nothing_observed"
        assert forecast(client, 7, "late")["origin"] == stamp(5)
        assert same(forecast(client, 13, "late"), forecast(client, unique_id="late"))
        watched.require_all(client)


def test_the_version_that_served_then_answers(world, watched):
    dataset = world.ingest("sensors")
    with world.serving() as client:
        for step in range(3):
            watched.observe(client, rows("a", [value(step)], step))
        world.promote(dataset, network(PANEL, seed=1), PANEL, log_seq=0)
        until(lambda: forecast(client)["model"]["version"] == 2)
        for step in range(3, 6):
            watched.observe(client, rows("a", [value(step)], step))
        assert [answer["model"]["version"] for answer in watched.answers.values()] == [1, 1, 1, 2, 2, 2]
        for sequence in (1, 2, 4, 5, 6):  # after row 3 both have answered
            assert same(forecast(client, sequence), watched.answers[sequence])
        assert forecast(client, 3)["model"]["version"] == 2
        assert same(forecast(client, watched.times[3]), watched.answers[3])


def test_a_version_whose_contexts_are_gone_cannot_answer(world, watched):
    dataset = world.ingest("sensors")
    with world.serving() as client:
        watched.observe(client, rows("a", [1.0]))
        watched.observe(client, rows("a", [2.0], 1))
        second = world.promote(dataset, network(PANEL, seed=1), PANEL, log_seq=2)
        until(lambda: forecast(client)["model"]["version"] == 2)
        anchors.drop_contexts(world.engine, [1])
        gone = ask(client, 1)
        assert (gone.status_code, gone.json()["code"]) == (410, "not_kept")
        first = gone.json()["available_from"]
        assert second == 2
        assert forecast(client, first)["model"]["version"] == 2


def test_before_the_first_promotion_the_first_moment_is_named(world, watched):
    with world.serving() as client:
        watched.observe(client, rows("a", [1.0]))
        gone = ask(client, "2020-01-01T00:00:00Z")
        assert gone.status_code == 410
        assert gone.json()["errors"] == [{"pointer": "/query/as_of", "message": "is out of reach"}]
        assert forecast(client, gone.json()["available_from"])["origin"] == stamp(-1)


def test_no_more_rows_are_folded_than_allowed_and_the_next_snapshot_is_named(world, watched, monkeypatch):
    with world.serving() as client:
        for step in range(8):
            watched.observe(client, rows("a", [value(step)], step))
    monkeypatch.setattr(as_of, "MOST", 5)
    with world.serving() as client:
        assert same(forecast(client, 5), watched.answers[5])  # from the context
        gone = ask(client, 6)
        assert gone.status_code == 410
        assert same(forecast(client, gone.json()["available_from"]), watched.answers[8])
        assert same(forecast(client, 8), watched.answers[8])


def test_a_later_anchor_answers_from_then_on_and_the_one_before_it_as_long_as_its_rows_are_there(world, watched):
    dataset = world.ingest("sensors")
    with world.serving() as client:
        for step in range(4):
            watched.observe(client, rows("a", [value(step)], step))
    made = reanchor(world.engine, dataset, promotions.served(world.engine, dataset.id))
    assert made is not None
    with world.serving() as client:
        for step in range(4, 7):
            watched.observe(client, rows("a", [value(step)], step))
        assert same(forecast(client, watched.times[4]), watched.answers[4])  # the states of before were read anew
        for sequence in (1, 2, 3, 5, 6, 7):
            assert same(forecast(client, sequence), watched.answers[sequence])
        with writing(world.engine) as connection:
            moved = {"dataset_id": 1, "number": 1, "first_seq": 1, "last_seq": 2, "rows": 2, "sha256": ""}
            connection.execute(tables.handoffs.insert().values(**moved, begun_at=0, done_at=1))
        gone = ask(client, 3)
        assert gone.status_code == 410
        assert same(forecast(client, gone.json()["available_from"]), forecast(client, 4))
        assert same(forecast(client, 5), watched.answers[5])


def test_rows_that_moved_to_the_lake_are_out_of_reach(world, watched):
    with world.serving() as client:
        watched.observe(client, rows("a", [1.0, 2.0]))
        with writing(world.engine) as connection:
            moved = {"dataset_id": 1, "number": 1, "first_seq": 1, "last_seq": 1, "rows": 1, "sha256": ""}
            connection.execute(tables.handoffs.insert().values(**moved, begun_at=0, done_at=1))
        gone = ask(client, 1)
        assert (gone.status_code, gone.json()["available_from"]) == (410, None)


def test_an_etag_spares_what_is_known(world, watched):
    with world.serving() as client:
        watched.observe(client, rows("a", [1.0]))
        watched.observe(client, rows("a", [2.0], 1))
        etag = ask(client, 1).headers["etag"]
        query = {"as_of": 1, "quantiles": LEVELS}
        again = client.get("/v1/series/a/forecast", params=query, headers={"If-None-Match": etag})
        assert again.status_code == 304


@pytest.mark.parametrize("wrong", ["yesterday", "2", "-1", "2999-01-01T00:00:00Z", "1e3", "9" * 30, ""])
def test_a_moment_that_is_none_is_refused(world, wrong):
    with world.serving() as client:
        client.post("/v1/observations", json=rows("a", [1.0]))
        answer = ask(client, wrong)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/query/as_of")
