"""What pipelines delete is gone from a running service in its next round, and what is left rolls as if it were all."""

import gc
import threading
import weakref

import numpy as np
import pytest
from sqlalchemy import func, select

from data.records import scores
from data.store import anchors, catalogue, observation_log, promotions, snapshot_store, tables
from data.store.database import reading
from forecasting.kernel.determinism import rows_are_independent
from forecasting.panel import Panel
from forecasting.rivals import Rivals
from states import build_champion
from states.contexts import pack_contexts
from tests.support.live_deletion_kit import delete_dataset, delete_rows, delete_series
from tests.support.service_kit import FIVE, START, World, baseline, network, panel_of, rows, stamp, until, wave

PANEL = panel_of("a", "b")
ONLY_B = Panel.of([wave(200, 3.0)], ("b",), START // FIVE - 200)
LSTM = network(PANEL)


@pytest.fixture(params=["sqlite", "postgres"])
def world(request, tmp_path):
    return World.at(tmp_path, request.getfixturevalue("postgres_url") if request.param == "postgres" else "")


@pytest.fixture
def unwatched(tmp_path):
    """A world whose service looks at the store when it starts, and not again for an hour."""
    return World.at(tmp_path, poll_every_s=3600.0)


def promoted(world, name="sensors"):
    """A dataset of two series that a small LSTM serves, and its promotion."""
    dataset = world.ingest(name, "a", "b")
    return dataset, world.promote(dataset, LSTM, PANEL)


def contexts_of(world, dataset, promotion_id, panel=PANEL):
    return {promotion_id: world.contexts(dataset, LSTM, panel)}


def served(client, name="sensors"):
    return client.app.state.runtime.directory.datasets[name]


def states_of(client):
    """Series, arrays of their states, and sums of their scores, ordered by series."""
    states = served(client).champion.states
    series = np.sort(states.series)
    own = states.rows_of(series)
    return series, states.copy(own)[0].arrays, states.settled(own)


def require_equal(ours, theirs):
    """To the bit where this machine promises it, else within 1e-5; sums of scores may be added in another order."""
    np.testing.assert_array_equal(ours[0], theirs[0])
    for name, array in ours[1].items():
        if rows_are_independent():
            np.testing.assert_array_equal(array, theirs[1][name], err_msg=name)
        else:
            np.testing.assert_allclose(array, theirs[1][name], rtol=1e-5, atol=1e-5, err_msg=name)
    for sums, others in zip(ours[2], theirs[2], strict=True):
        np.testing.assert_allclose(sums, others, rtol=1e-9)


def post(client, body, **headers):
    return client.post("/v1/observations", json=body, headers=headers)


def values(unique_id, steps):
    """A row a step: a wave that is another one for each series."""
    shape = wave(300, 3.0 if unique_id == "b" else 0.0)
    return [row for step in steps for row in rows(unique_id, [round(float(shape[200 + step]), 3) + step % 3], step)]


def never_saw(folder, *parts):
    """The states of a service on a store to which only these rows came, one request for each."""
    world = World.at(folder)
    promoted(world)
    with world.serving() as client:
        for body in parts:
            assert post(client, body).status_code == 200
    dropped = snapshot_store.keep_only(world.engine, 1, [])
    assert dropped > 0
    with world.serving() as client:  # folded from the contexts
        return states_of(client)


def test_deleted_rows_leave_the_states_of_a_store_that_never_saw_them(world, tmp_path):
    dataset, promotion_id = promoted(world)
    with world.serving() as client:
        for step in range(30):
            post(client, values("a", [step]) + values("b", [step]))
        before = served(client).champion
        old = client.get("/v1/series/a/forecast")
        n = client.get("/v1/series/a/scores").json()["n"]
        first, last = START + 20 * FIVE, START + 40 * FIVE
        delete_rows(world, dataset, "a", first, last, contexts_of(world, dataset, promotion_id))
        until(lambda: served(client).champion is not before)
        post(client, values("b", [30]))
        assert client.get("/v1/series/a").json()["origin"] == stamp(19)
        assert client.get("/v1/series/b").json()["origin"] == stamp(30)
        assert client.get("/v1/series/a/scores").json()["n"] == n - 10
        new = client.get("/v1/series/a/forecast", headers={"If-None-Match": old.headers["etag"]})
        assert (new.status_code, new.json()["origin"]) == (200, stamp(19))
        assert 'rollcast_deletions_total{kind="rows"} 1.0' in client.get("/metrics").text
        ours = states_of(client)
    parts = [values("a", [step]) + values("b", [step]) for step in range(20)]
    require_equal(ours, never_saw(tmp_path / "twin", *parts, *(values("b", [step]) for step in range(20, 31))))


def test_rows_that_come_while_states_are_folded_anew_are_answered_and_kept(world, tmp_path, monkeypatch):
    dataset, promotion_id = promoted(world)
    go_on, begun, build = threading.Event(), threading.Event(), build_champion.build

    def slow(*args):
        champion = build(*args)
        begun.set()
        assert go_on.wait(100)
        return champion

    with world.serving() as client:
        post(client, values("a", range(10)) + values("b", range(10)))
        before = served(client).champion
        monkeypatch.setattr(build_champion, "build", slow)
        delete_rows(world, dataset, "a", START, START + 4 * FIVE, contexts_of(world, dataset, promotion_id), bare=True)
        assert begun.wait(100)
        assert served(client).champion is before  # the old states answer until the new ones are there
        assert post(client, values("a", [10]) + values("b", [10])).json()["counts"]["applied"] == 2
        late = [*values("a", [2]), *rows("b", [7.5], -3)]  # one was deleted, one is in a context that is gone
        answer = post(client, late)
        assert (answer.status_code, sum(answer.json()["counts"][name] for name in ("late", "corrected"))) == (200, 2)
        assert client.get("/v1/series/a/forecast").status_code == 200
        go_on.set()
        until(lambda: served(client).champion is not before and not served(client).champion.pending)
        assert served(client).champion.states.stale == 0
        ours = states_of(client)
    first = values("a", range(5, 10)) + values("b", range(10))
    theirs = never_saw(tmp_path / "twin", first, values("a", [10]) + values("b", [10]), late)
    np.testing.assert_array_equal(ours[0], theirs[0])
    for name, array in ours[1].items():
        np.testing.assert_allclose(array, theirs[1][name], rtol=1e-5, atol=1e-5, err_msg=name)


def test_a_deleted_series_is_gone_and_a_new_one_of_its_name_is_another(world):
    dataset, promotion_id = promoted(world)
    catalogue.set_creation(world.engine, dataset.id, auto_create=True)
    number = world.number(dataset, "a")
    with world.serving() as client:
        until(lambda: served(client).dataset.auto_create)
        post(client, values("a", range(5)) + values("b", range(5)))
        delete_series(world, dataset, "a", contexts_of(world, dataset, promotion_id, ONLY_B))
        until(lambda: client.get("/v1/series/a").status_code == 404)
        until(lambda: len(served(client).champion.states) == 1)
        assert client.get("/v1/series").json()["total"] == 1
        assert client.post("/v1/forecasts", json={"ids": ["a"]}).json()["forecasts"][0]["error"]["status"] == 404
        assert "rollcast_series_active 1.0" in client.get("/metrics").text
        until(lambda: post(client, values("a", [5])).status_code == 200)
        assert client.get("/v1/series/a").json()["observed"] == 1
        assert world.number(dataset, "a") > number
        assert world.logged(dataset, "a") == [(5, values("a", [5])[0]["y"])]


def test_a_deleted_dataset_is_gone_everywhere_and_its_memory_is_free(world):
    promoted(world)
    trial, _ = promoted(world, "trial")
    with world.serving() as client:
        assert post(client, values("a", [0])).status_code == 422  # of which dataset?
        assert post(client, [row | {"dataset": "trial"} for row in values("a", range(3))]).status_code == 200
        assert client.get("/v1/series/a/forecast", params={"dataset": "trial"}).status_code == 200
        alive = weakref.ref(served(client, "trial").champion)
        delete_dataset(world, trial)
        until(lambda: client.get("/v1/series/a", params={"dataset": "trial"}).status_code == 404)
        until(lambda: gc.collect() >= 0 and alive() is None)
        assert client.get("/v1/series/a").json()["dataset"] == "sensors"
        assert {line["dataset"] for line in client.get("/v1/series").json()["series"]} == {"sensors"}
        for path in ("/health/ready", "/metrics", "/version", "/v1/models", "/v1/scores"):
            assert "trial" not in client.get(path).text, path
        assert post(client, values("a", [0])).json()["counts"]["applied"] == 1
        again = world.ingest("trial", "a")
        until(lambda: client.get("/v1/series/a", params={"dataset": "trial"}).status_code == 200)
        assert client.get("/v1/series/a", params={"dataset": "trial"}).json()["status"] == "no_model"
        assert again.id > trial.id
        assert observation_log.count(world.engine, trial.id) == 0


def test_rows_of_a_series_deleted_this_moment_are_refused_and_not_stored(unwatched):
    dataset, promotion_id = promoted(unwatched)
    with unwatched.serving() as client:
        post(client, values("a", range(3)) + values("b", range(3)))
        gone = unwatched.number(dataset, "a")
        delete_series(unwatched, dataset, "a", contexts_of(unwatched, dataset, promotion_id, ONLY_B))
        for body in (values("a", [3]), values("a", [3]) + values("b", [3])):
            answer = post(client, body)
            assert (answer.status_code, answer.json()["code"]) == (409, "series_deleted")
            assert answer.headers["retry-after"] == "1"
        assert post(client, values("b", [3])).json()["counts"]["applied"] == 1
        log = observation_log.log(unwatched.engine, dataset.id)
        assert gone not in log.series_id.tolist()
        assert len(log) == 4


def test_rows_and_series_of_a_dataset_deleted_this_moment_are_refused(unwatched):
    dataset, _ = promoted(unwatched)
    catalogue.set_creation(unwatched.engine, dataset.id, auto_create=True)
    with unwatched.serving() as client:
        delete_dataset(unwatched, dataset)
        assert post(client, values("a", [0])).json()["code"] == "series_deleted"
        assert post(client, rows("c", [1.0])).json()["code"] == "dataset_deleted"
        assert client.get("/v1/series/a/forecast").status_code == 200  # until the next round
        assert observation_log.count(unwatched.engine, dataset.id) == 0
        with reading(unwatched.engine) as connection:
            assert connection.scalar(select(func.count()).select_from(tables.series)) == 0


def test_states_of_before_a_deletion_are_stored_no_more(unwatched):
    dataset, promotion_id = promoted(unwatched)
    with unwatched.serving() as client:
        post(client, values("a", range(12)))
        delete_rows(
            unwatched, dataset, "a", START + 6 * FIVE, START + 11 * FIVE, contexts_of(unwatched, dataset, promotion_id)
        )
    assert snapshot_store.anchors(unwatched.engine, dataset.id) == []  # what it wrote when it stopped
    assert scores.latest(unwatched.engine, dataset.id) == []
    with unwatched.serving() as client:
        assert client.get("/v1/series/a").json()["origin"] == stamp(5)
        assert client.get("/v1/series/a/scores").json()["n"] == 6
    newest = anchors.newest(unwatched.engine, promotion_id)
    assert snapshot_store.anchors(unwatched.engine, dataset.id) == [newest.anchor_id]


def test_a_deleted_value_that_was_held_is_waited_for_no_more(tmp_path):
    world = World.at(tmp_path)
    dataset, promotion_id = promoted(world)
    world.limit(dataset, PANEL)
    with world.serving() as client:
        post(client, values("a", range(3)))
        assert post(client, rows("a", [1e6], 3)).json()["counts"]["quarantined"] == 1
        assert "quarantined" in client.get("/v1/series/a").json()["flags"]
        delete_rows(world, dataset, "a", START + 3 * FIVE, START + 3 * FIVE, contexts_of(world, dataset, promotion_id))
        until(lambda: client.get("/v1/series/a").json()["flags"] == [])
        assert served(client).judge.waiting == {}
        until(lambda: client.get("/v1/series/a").json()["origin"] == stamp(2))


def test_an_answer_about_a_deleted_dataset_is_not_given_again(tmp_path):
    world = World.at(tmp_path)
    dataset, _ = promoted(world)
    body, key = values("a", range(2)), {"Idempotency-Key": "one"}
    with world.serving() as client:
        assert post(client, body, **key).json()["counts"]["applied"] == 2
        assert post(client, body, **key).headers["idempotency-replayed"] == "true"
        delete_dataset(world, dataset)
        until(lambda: client.get("/v1/series/a").status_code == 404)
        again, _ = promoted(world)
        until(lambda: client.get("/v1/series/a").status_code == 200)
        answer = post(client, body, **key)
        assert (answer.json()["counts"]["applied"], "idempotency-replayed" in answer.headers) == (2, False)
        assert len(world.logged(again, "a")) == 2


def test_the_version_before_and_the_challenger_are_folded_anew_too(tmp_path):
    world = World.at(tmp_path)
    dataset, first = promoted(world)
    naive = baseline(PANEL, "naive")
    second = world.promote(dataset, naive, PANEL)
    challenger = baseline(PANEL)
    shadowed = world.shadow(dataset, challenger, PANEL)

    def origins(which):
        rolling = getattr(served(client), which)
        return None if rolling is None else rolling.states.origins(np.array([world.number(dataset, "a")])).tolist()

    with world.serving() as client:
        post(client, values("a", range(6)))
        until(lambda: origins("shadow") == [world.step(5)])
        bundles = {first: LSTM, second: naive, shadowed: challenger}
        contexts = {promotion_id: world.contexts(dataset, bundle, PANEL) for promotion_id, bundle in bundles.items()}
        delete_rows(world, dataset, "a", START + 4 * FIVE, START + 5 * FIVE, contexts)
        until(lambda: origins("champion") == origins("shadow") == [world.step(3)])
        assert served(client).shadow_problem is None
        promotions.decide(world.engine, dataset.id, 3, "shadow_stopped", {})
        until(lambda: origins("previous") == [world.step(3)])
        assert served(client).previous.version == 1


def test_a_second_deletion_while_states_are_built_is_followed_as_well(tmp_path, monkeypatch):
    world = World.at(tmp_path)
    dataset, promotion_id = promoted(world)
    begun, go_on, restore = threading.Event(), threading.Event(), build_champion.restore

    def slow(*args, **options):
        begun.set()
        assert go_on.wait(100)
        return restore(*args, **options)

    with world.serving() as client:
        post(client, values("a", range(10)))
        monkeypatch.setattr(build_champion, "restore", slow)
        rival = Rivals.of(LSTM.manifest, LSTM.config).lags(PANEL.ids)
        own = np.array([world.number(dataset, unique_id) for unique_id in PANEL.ids])
        blobs = pack_contexts(
            own, PANEL.tail_matrix(LSTM.config.context), PANEL.last, rival, LSTM.fingerprint, "lake:0"
        )
        again = {promotion_id: blobs}  # with an index, so that values are read when states start
        delete_rows(world, dataset, "a", START + 8 * FIVE, START + 9 * FIVE, again)
        assert begun.wait(100)
        delete_rows(world, dataset, "a", START + 6 * FIVE, START + 7 * FIVE, again, bare=True)  # contexts of the first
        go_on.set()
        until(lambda: client.get("/v1/series/a").json()["origin"] == stamp(5))
        assert served(client).problem is None
        assert not served(client).champion.replaces_damaged


def test_deletions_under_load_fail_nothing_and_lose_no_other_row(tmp_path):
    world = World.at(tmp_path)
    dataset, promotion_id = promoted(world)
    stop, surprises, stored = threading.Event(), [], {"a": {}, "b": {}}
    steps = dict.fromkeys(stored, 0)

    def observe(unique_id):
        while not stop.is_set():
            step = steps[unique_id]
            answer = post(client, [row | {"dataset": "sensors"} for row in rows(unique_id, [float(step % 7)], step)])
            if answer.status_code != 200:
                surprises.append(answer.text)
            stored[unique_id][step] = float(step % 7)
            steps[unique_id] += 1

    def ask():
        while not stop.is_set():
            for path in ("/v1/series/b/forecast?dataset=sensors", "/v1/series?search=b", "/v1/scores", "/metrics"):
                answer = client.get(path)
                if answer.status_code != 200:
                    surprises.append(answer.text)

    def observe_trial():
        while not stop.is_set():
            answer = post(client, [row | {"dataset": "trial"} for row in rows("a", [1.0], 0)])
            if answer.status_code not in (200, 409, 422):  # stored, deleted a moment ago, unknown
                surprises.append(answer.text)

    with world.serving() as client:
        threads = [threading.Thread(target=observe, args=(one,)) for one in "ab"]
        threads += [threading.Thread(target=one) for one in (ask, observe_trial)]
        for thread in threads:
            thread.start()
        gone = -1
        for _ in range(6):
            trial = world.ingest("trial", "a")
            until(lambda gone=gone: steps["a"] > gone + 8)
            until(lambda trial=trial: "trial" in client.app.state.runtime.directory.datasets)
            before, gone = served(client).champion, gone + 5
            again = contexts_of(world, dataset, promotion_id)
            delete_rows(world, dataset, "a", START, START + gone * FIVE, again, bare=True)
            delete_dataset(world, trial)
            until(lambda before=before: served(client).champion is not before)
        stop.set()
        for thread in threads:
            thread.join()
        until(lambda: "trial" not in client.app.state.runtime.directory.datasets)
        until(lambda: not served(client).champion.pending)
        assert surprises == []
        assert dict(world.logged(dataset, "a")) == {s: y for s, y in stored["a"].items() if s > gone}
        assert dict(world.logged(dataset, "b")) == stored["b"]
        assert client.get("/v1/series/a").json()["origin"] == stamp(steps["a"] - 1)
        for unique_id in "ab":
            plain = world.folded(dataset, LSTM, PANEL, unique_id)
            number = np.array([world.number(dataset, unique_id)])
            states = served(client).champion.states
            own = states.copy(states.rows_of(number))[0]
            for name, array in own.arrays.items():
                np.testing.assert_allclose(array, plain.arrays[name], rtol=1e-4, atol=1e-4, err_msg=name)
