"""Live values that break a rule are stored and held, and let in once they agree; a state stays the fold of the log."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.records import dataset_rules, quarantine
from data.records.dataset_rules import QualityRules
from data.store import observation_log
from pipelines.history import quarantine as quarantining
from pipelines.workspace import open_workspace
from tests.support.service_kit import World, baseline, network, panel_of, rows, same_states, stamp, until, wave

PANEL = panel_of("a", "b")
BUNDLE = network(PANEL)
NEXT = wave(260)[200:]  # the values of `a` from START on


@pytest.fixture
def world(tmp_path):
    """Two waves of 10 ± 1 with a network and limits."""
    world = World.at(tmp_path)
    dataset = world.ingest("plant", "a", "b")
    world.limit(dataset, PANEL)
    world.promote(dataset, BUNDLE, PANEL)
    world.dataset = dataset
    return world


def post(client, values, first=0, unique_id="a"):
    answer = client.post("/v1/observations", json=rows(unique_id, list(values), first))
    assert answer.status_code == 200, answer.text
    return answer.json()


def served(client):
    return client.app.state.runtime.directory.datasets["plant"]


def state_of(client, world, unique_id="a"):
    return served(client).champion.states.read(world.number(world.dataset, unique_id)).state


def is_the_fold(client, world, unique_id="a"):
    return same_states(state_of(client, world, unique_id), world.folded(world.dataset, BUNDLE, PANEL, unique_id))


def held(world):
    return [(value.ds, value.y, value.rule) for value in quarantine.values(world.engine, world.dataset.id)]


def flags(client, unique_id="a"):
    return client.get(f"/v1/series/{unique_id}/forecast").json()["flags"]


def test_a_spike_is_quarantined_and_a_repeat_of_it_is_a_duplicate(world):
    with world.serving() as client:
        assert post(client, [10.0, 10_000.0])["outcomes"] == ["applied", "quarantined"]
        assert flags(client) == ["imputed", "quarantined"]
        assert client.get("/v1/series/a").json()["flags"] == ["imputed", "quarantined"]
        assert post(client, [10_000.0], first=1)["counts"]["duplicate"] == 1
        assert is_the_fold(client, world)
        assert post(client, [10.5], first=2)["outcomes"] == ["applied"]
        assert flags(client) == ["imputed"]  # the last value counts again
        assert [y for _, y, _ in held(world)] == [10_000.0]
        assert post(client, [11.0], first=1)["outcomes"] == ["corrected"]  # the true value takes its place
        assert flags(client) == [] and is_the_fold(client, world)
    assert world.logged(world.dataset, "a") == [(0, 10.0), (1, 10_000.0), (2, 10.5), (1, 11.0)]


def test_a_held_value_is_not_scored_and_widens_no_interval(world):
    with world.serving() as client:
        post(client, NEXT[:3])
        before = state_of(client, world).widening.copy()
        post(client, [12_000.0], first=3)
        assert served(client).champion.states.totals.raw[:, 0].sum() == 3
        assert np.array_equal(state_of(client, world).widening, before)


def test_a_correction_that_breaks_a_rule_makes_its_step_missing(world):
    with world.serving() as client:
        post(client, [10.0, 11.0, 12.0])
        assert post(client, [-90_000.0], first=1)["outcomes"] == ["quarantined"]
        assert is_the_fold(client, world)
        assert state_of(client, world).imputed[0] == 1
        assert flags(client) == ["imputed"]
        assert post(client, [-90_000.0], first=2)["outcomes"] == ["quarantined"]
        assert flags(client) == ["imputed", "quarantined"]  # now the last value is held
    with world.serving() as client:
        assert flags(client) == ["imputed", "quarantined"]


def test_a_series_without_limits_is_judged_by_the_range_alone(tmp_path):
    world = World.at(tmp_path)
    dataset = world.ingest("plant", "a", "b")
    world.promote(dataset, BUNDLE, PANEL)
    dataset_rules.put(world.engine, dataset.id, QualityRules(low=0.0))
    with world.serving() as client:
        assert post(client, [12_000.0, -1.0])["outcomes"] == ["applied", "quarantined"]


def test_before_a_model_serves_the_range_holds_too(tmp_path):
    world = World.at(tmp_path)
    dataset = world.ingest("plant", "a")
    dataset_rules.put(world.engine, dataset.id, QualityRules(high=100.0))
    with world.serving() as client:
        assert post(client, [12.0, 101.0])["outcomes"] == ["applied", "quarantined"]
        assert post(client, [101.0], first=1)["outcomes"] == ["duplicate"]


def test_a_changed_rule_holds_while_the_service_runs_and_judges_nothing_again(world):
    with world.serving() as client:
        assert post(client, [30.0, 40.0])["outcomes"] == ["applied", "applied"]
        dataset_rules.put(world.engine, world.dataset.id, QualityRules(high=35.0))
        until(lambda: served(client).judge.rules.high == 35.0)
        assert post(client, [41.0, 34.0], first=2)["outcomes"] == ["quarantined", "applied"]
        dataset_rules.put(world.engine, world.dataset.id, None)
        until(lambda: served(client).judge.rules.high is None)
        assert post(client, [41.0], first=2)["outcomes"] == ["duplicate"]  # held as before
        assert post(client, [42.0], first=4)["outcomes"] == ["applied"]
        assert is_the_fold(client, world)
    with world.serving() as client:
        assert is_the_fold(client, world)


# --- shifts -----------------------------------------------------------------------------------------------------------

SHIFTED = NEXT * 1000  # the same sensor in another unit


def test_eight_held_values_that_agree_are_let_in_together_and_the_limits_follow(world):
    with world.serving() as client:
        assert post(client, SHIFTED[:7])["outcomes"] == ["quarantined"] * 7
        assert flags(client) == ["imputed", "quarantined"]
        answer = post(client, SHIFTED[7:8], first=7)
        assert (answer["outcomes"], answer["shifts"]) == (["applied"], 1)
        assert flags(client) == ["warming", "fallback", "reanchored", "shifted"]  # it begins anew at this level
        assert is_the_fold(client, world)
        assert held(world) == []
        assert len(quarantine.values(world.engine, world.dataset.id, released=True)) == 7
        assert post(client, SHIFTED[8:20], first=8)["counts"]["applied"] == 12
        assert post(client, [NEXT[20] * 1e6], first=20)["outcomes"] == ["quarantined"]  # a spike at the new level
        assert "rollcast_shifts_total 1.0" in client.get("/metrics").text
        assert is_the_fold(client, world) and is_the_fold(client, world, "b")
    with world.serving() as client:
        assert is_the_fold(client, world)
        assert flags(client) == ["reanchored", "imputed", "quarantined", "shifted"]
        assert post(client, SHIFTED[21:30], first=21)["counts"]["applied"] == 9


def test_a_shift_within_one_request_is_let_in_with_what_follows_it(world):
    with world.serving() as client:
        answer = post(client, SHIFTED[:12])
        assert answer["outcomes"] == ["quarantined"] * 7 + ["applied"] * 5
        assert answer["shifts"] == 1
        assert is_the_fold(client, world)
        assert state_of(client, world).imputed[0] == 0
    with world.serving() as client:
        assert is_the_fold(client, world)


def test_a_restart_remembers_how_many_were_held(world):
    for part in (range(3), range(3, 7), range(7, 8)):
        with world.serving() as client:
            answer = post(client, SHIFTED[part.start : part.stop], first=part.start)
    assert (answer["outcomes"], answer["shifts"]) == (["applied"], 1)
    assert held(world) == []


def test_a_good_value_between_ends_the_run(world):
    values = [*SHIFTED[:7], NEXT[7], *SHIFTED[8:15], NEXT[15], NEXT[16]]
    with world.serving() as client:
        assert post(client, values)["counts"] == {
            "applied": 3, "duplicate": 0, "corrected": 0, "late": 0, "quarantined": 14, "ignored": 0, "rejected": 0,
        }  # fmt: skip
        assert is_the_fold(client, world)


def test_values_that_do_not_agree_are_no_shift(world):
    with world.serving() as client:
        assert post(client, [1e4 * 3**step for step in range(12)])["counts"]["quarantined"] == 12


@pytest.mark.parametrize(
    ("chosen", "value"),
    [(QualityRules(low=0.0), -999.0), (QualityRules(max_stale=3), NEXT[0])],
)
def test_a_value_out_of_range_or_stuck_is_never_a_shift(world, chosen, value):
    dataset_rules.put(world.engine, world.dataset.id, chosen)
    with world.serving() as client:
        assert post(client, [value] * 20)["counts"]["quarantined"] >= 17


def test_accept_after_says_how_many_make_a_shift(world):
    dataset_rules.put(world.engine, world.dataset.id, QualityRules(accept_after=3))
    with world.serving() as client:
        assert post(client, SHIFTED[:4])["outcomes"] == ["quarantined", "quarantined", "applied", "applied"]
        dataset_rules.put(world.engine, world.dataset.id, QualityRules(accept_after=0))
        until(lambda: served(client).judge.rules.accept_after == 0)
        assert post(client, SHIFTED[:20] * 1e4, first=4)["counts"]["quarantined"] == 20


# --- any order --------------------------------------------------------------------------------------------------------

SENT = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(-20, 12), st.sampled_from([9.0, 12.0, 1e5, 1.01e5, 3e9, None])),
    min_size=1,
    max_size=12,
)
ACTIONS = st.lists(st.one_of(SENT, st.sampled_from(["restart", "snapshot", "release", "rules"])), max_size=8)


@settings(max_examples=10)
@given(ACTIONS)
def test_in_any_order_with_spikes_releases_and_other_rules_a_state_is_the_fold_of_the_log(tmp_path_factory, actions):
    """Two held values that agree make a shift here, so that there are many."""
    world = World.at(tmp_path_factory.mktemp("order"))
    world.dataset = world.ingest("plant", "a", "b")
    world.limit(world.dataset, PANEL)
    dataset_rules.put(world.engine, world.dataset.id, QualityRules(accept_after=2))
    world.promote(world.dataset, BUNDLE, PANEL)
    verdicts: dict[int, str | None] = {}
    waiting = None  # held values that the service knew when it was stopped
    parts = [[]]
    for action in actions:
        parts.append([]) if action == "restart" else parts[-1].append(action)
    for part in parts:
        with world.serving() as client:
            assert waiting in (None, served(client).judge.waiting)
            for action in part:
                act(client, world, action)
                assert is_the_fold(client, world, "a") and is_the_fold(client, world, "b")
                log = observation_log.log(world.engine, world.dataset.id)
                now = dict(zip(log.seq.tolist(), log.verdict.tolist(), strict=True))
                assert verdicts.items() <= now.items()  # a verdict never changes
                verdicts = now
            waiting = served(client).judge.waiting
    world.engine.dispose()


def act(client, world, action):
    if action == "snapshot":
        snapshot(client)
    elif action == "release":
        release(world)
        until(lambda: last_seq(world) == served(client).champion.seq)
    elif action == "rules":
        high = 11.0 if served(client).judge.rules.high is None else None
        dataset_rules.put(world.engine, world.dataset.id, QualityRules(accept_after=2, high=high))
        until(lambda: served(client).judge.rules.high == high)
    else:
        sent = [{"unique_id": one, "ds": stamp(step), "y": y} for one, step, y in action]
        assert client.post("/v1/observations", json=sent).status_code == 200


def last_seq(world):
    return observation_log.last_seq(world.engine, world.dataset.id)


def snapshot(client):
    writer = client.app.state.runtime._writer

    def write():
        for one in writer._begin_passes():
            while one.step(writer._engine):
                pass

    writer.ask(write).result(timeout=1500)


def release(world):
    """Release every value, as `rollcast quarantine release --all` does while the service runs."""
    workspace = open_workspace(world.settings)
    quarantining.release(workspace, "plant", None, None, None)
    workspace.engine.dispose()


def test_a_released_value_reaches_the_state_and_ends_the_flag(world):
    with world.serving() as client:
        post(client, [10.0, 12_000.0])
        release(world)
        until(lambda: flags(client) == [])
        assert is_the_fold(client, world)
        assert state_of(client, world).ring[0, -1] == 12_000.0
        assert post(client, [12_000.0], first=1)["outcomes"] == ["duplicate"]
        assert post(client, [11.0], first=1)["outcomes"] == ["corrected"]
        assert post(client, [12_000.0], first=1)["outcomes"] == ["corrected"]  # once released, it passes
        assert post(client, [13_000.0], first=2)["outcomes"] == ["quarantined"]
    assert world.logged(world.dataset, "a")[:3] == [(0, 10.0), (1, 12_000.0), (1, 12_000.0)]


def test_champion_and_shadow_meet_the_same_targets(world):
    world.shadow(world.dataset, network(PANEL, seed=1), PANEL)
    with world.serving() as client:
        until(lambda: served(client).shadow is not None)
        post(client, [*NEXT[:3], 12_000.0, *NEXT[4:8]])
        until(lambda: served(client).shadow.seq == served(client).champion.seq)
        totals = [one.states.totals.raw[:, 0].sum() for one in (served(client).champion, served(client).shadow)]
        assert totals == [7, 7]


# --- the scores of a dataset ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "bad", "scored"),
    [(12, slice(5, 6), 11_999), (36, slice(5, None), 35_987)],  # a shift: warming until it has 13 values
    ids=["spike", "shift"],
)
def test_fault_27_a_thousandfold_value_in_one_of_a_thousand_series_leaves_the_mase_where_it_was(
    tmp_path, steps, bad, scored
):
    ids = [f"s{i}" for i in range(1000)]
    panel = panel_of(*ids)
    draw = np.random.default_rng(0)
    values = np.stack([wave(236, 3.0 * i)[200:236] for i in range(1000)]) + draw.normal(0, 0.3, (1000, 36))
    found = []
    for name, factor in (("twin", 1.0), ("other", 1000.0)):
        world = World.at(tmp_path / name)
        dataset = world.ingest("plant", *ids)
        world.limit(dataset, panel)
        world.promote(dataset, baseline(panel), panel)
        sent = values.copy()
        sent[0, bad] *= factor
        with world.serving() as client:
            for step in range(steps):
                body = [
                    {"unique_id": one, "ds": stamp(step), "y": y} for one, y in zip(ids, sent[:, step], strict=True)
                ]
                assert client.post("/v1/observations", json=body).status_code == 200
            found.append(client.get("/v1/scores").json()["scores"][0])
            last = client.get("/v1/series/s0/forecast", params={"quantiles": "0.5"}).json()["quantiles"]["0.5"]
            assert max(last) < 20 if bad.stop or factor == 1 else min(last) > 5_000
    twin, other = found
    assert (twin["n"], other["n"]) == (1_000 * steps, scored)
    assert other["mase"] == pytest.approx(twin["mase"], rel=0.01)
