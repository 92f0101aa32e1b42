"""Forecasts are scored as their values arrive: each target once, with sums beside the states, and scores over HTTP."""

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from data.grid.durations import HOUR
from data.records import scores
from data.store import observation_log, promotions, tables
from data.store.observation_log import Log, LoggedValue
from forecasting.kernel.packing import pack, unpack
from forecasting.kinds import model_of
from forecasting.rivals import Rivals
from forecasting.rolling.online_scores import SUMS
from forecasting.rolling.recent_scores import RECENT
from forecasting.rolling.state import FORECASTS_ANEW
from states import build_champion, checkpoints, folding
from states.reanchor import reanchor
from states.rows import Rows
from states.snapshots import SnapshotPass
from tests.support.service_kit import FIVE, START, World, baseline, network, panel_of, rows, until

IDS = ("a", "b", "new")
PANEL = panel_of("a", "b")


def served(client, unique_id="a"):
    return client.app.state.runtime.directory.find(unique_id)


def sums(target) -> dict[str, list[float]]:
    """Every sum of one series, by horizon bucket."""
    settled, _ = target.served.champion.states.settled(target.served.champion.states.rows_of(np.array([target.series])))
    return dict(zip(SUMS, settled[0].T.tolist(), strict=True))


@pytest.fixture
def world(tmp_path):
    """Two sines of season 12 with a trend of 0.01 a step, forecast by the naive method, horizon 6."""
    world = World.at(tmp_path)
    world.promote(world.ingest("sensors", *IDS), baseline(PANEL, "naive"), PANEL)
    return world


def test_a_correction_a_late_row_and_a_duplicate_settle_nothing_and_rewrite_nothing(world):
    with world.serving() as client:
        client.post("/v1/observations", json=[*rows("a", [1, 2]), *rows("a", [4], first=3)])
        before = sums(served(client))
        assert before["settled"] == [1, 1, 0, 1, 0, 0]
        for again in (rows("a", [9], first=0), rows("a", [3], first=2), rows("a", [4], first=3), rows("a", [7], -3)):
            assert client.post("/v1/observations", json=again).status_code == 200
        assert sums(served(client)) == before
        client.post("/v1/observations", json=rows("a", [5], first=4))
        assert sums(served(client))["settled"] == [1, 1, 0, 1, 1, 0]


def recent(target):
    """The recent sums of one series."""
    states = target.served.champion.states
    return states.recent(states.rows_of(np.array([target.series])))[0]


def test_recent_sums_let_older_targets_weigh_less_and_outlive_a_restart(world):
    last = PANEL.values[PANEL.offsets[1] - 1]  # of series a: the naive forecast, with no error of its own
    with world.serving() as client:
        for place, error in enumerate((1, 2, 4)):
            client.post("/v1/observations", json=rows("a", [last + error], first=place))
        found = dict(zip(RECENT, recent(served(client)).tolist(), strict=True))
        d = 0.5 ** (1 / 100)
        assert found["weight"] == pytest.approx(d**2 + d + 1)
        assert found["squared"] == pytest.approx(d**4 + d**2 + 1)
        errors = sums(served(client))["absolute"]  # one target each in the first three steps
        assert found["absolute"] == pytest.approx(d**2 * errors[0] + d * errors[1] + errors[2])
        before = recent(served(client))
    with world.serving() as client:
        np.testing.assert_array_equal(recent(served(client)), before)


def test_a_value_revised_within_one_request_is_scored_as_first_sent(world):
    last = PANEL.values[PANEL.offsets[1] - 1]  # of series a: the naive forecast
    with world.serving() as client:
        client.post("/v1/observations", json=[*rows("a", [last + 1]), *rows("a", [last + 50])])
        assert sums(served(client))["absolute"][0] == pytest.approx(1, abs=1e-5)


def test_the_context_of_a_promotion_is_not_scored_and_a_new_version_starts_at_zero(world):
    dataset = world.ingest("sensors")
    with world.serving() as client:
        assert sums(served(client))["settled"] == [0] * 6
        client.post("/v1/observations", json=rows("a", [1, 2, 3]))
        world.promote(dataset, baseline(PANEL), PANEL, log_seq=3)  # its contexts contain the three rows
        until(lambda: client.get("/v1/series/a").json()["model"]["version"] == 2)
        assert sums(served(client))["settled"] == [0] * 6


def test_a_restart_continues_with_the_same_sums(world):
    with world.serving() as client:
        client.post("/v1/observations", json=[*rows("a", [1, 2, 3]), *rows("b", [4, 5]), *rows("new", [6.0] * 30)])
        before = {unique_id: sums(served(client, unique_id)) for unique_id in IDS}
        totals = served(client).served.champion.states.totals
    with world.serving() as client:
        assert {unique_id: sums(served(client, unique_id)) for unique_id in IDS} == before
        restored = served(client).served.champion.states.totals
        np.testing.assert_allclose(restored.raw, totals.raw)
        np.testing.assert_allclose(restored.scaled, totals.scaled)
    with world.engine.begin() as connection:
        connection.execute(tables.snapshots.delete())
    with world.serving() as client:  # the log alone gives the same
        for unique_id in IDS:
            for name, line in sums(served(client, unique_id)).items():
                assert line == pytest.approx(before[unique_id][name], abs=1e-4), name


def dataset_scores(client) -> list[dict]:
    return client.get("/v1/scores", params={"dataset": "sensors"}).json()["scores"]


def flat(client, n: int) -> None:
    """n values of series a that repeat its last one, which is what the naive method forecasts."""
    last = float(PANEL.values[PANEL.offsets[1] - 1])
    client.post("/v1/observations", json=rows("a", [last] * n))


def test_scores_of_a_series_over_http(world):
    with world.serving() as client:
        flat(client, 7)
        body = client.get("/v1/series/a/scores").json()
        assert (body["n"], body["mae"], body["coverage_80"]) == (7, 0, 1)
        assert (body["rival"], body["model"]["version"], body["sequence"]) == ("seasonal_naive", 1, 7)
        assert body["skill"] == 1  # the seasonal naive forecasts a season that does not come
        assert [line["n"] for line in body["by_horizon"]] == [2, 1, 1, 1, 1, 1]
        assert [line["first_step"] for line in body["by_horizon"]] == [1, 2, 3, 4, 5, 6]
        assert body["by_horizon"][5]["stability"] == 0
        untouched = client.get("/v1/series/b/scores").json()
        assert (untouched["n"], untouched["mae"], untouched["skill"]) == (0, None, None)
        assert client.get("/v1/series/nobody/scores").status_code == 404


def test_skill_names_the_rival_of_a_series_and_counts_those_of_a_dataset(tmp_path):
    world, panel = World.at(tmp_path), panel_of("a", "b", "c")
    rivals = Rivals(24, {"a": 1}).to_manifest()  # two seasons; "a" has naive
    world.promote(world.ingest("sensors", *panel.ids, "new"), replace(baseline(panel, "naive"), manifest=rivals), panel)
    with world.serving() as client:
        client.post("/v1/observations", json=[*rows("a", [1, 2]), *rows("b", [1, 2]), *rows("new", [1] * 30)])
        for unique_id, name in {"a": "naive", "b": "seasonal_naive(24)", "new": "seasonal_naive(24)"}.items():
            assert client.get(f"/v1/series/{unique_id}/scores").json()["rival"] == name
        (line,) = dataset_scores(client)
        assert line["rival"] == "seasonal_naive(24)"
        assert line["rivals"] == {"seasonal_naive(24)": 3, "naive": 1}
        assert client.get("/v1/series/a/scores").json()["skill"] == 0  # naive against naive
        two_seasons_ago = panel.series(1)[-24:][:2]
        naive = sum(sums(served(client, "b"))["naive"])
        assert naive == pytest.approx(np.abs(two_seasons_ago - [1, 2]).sum(), abs=1e-4)
    with world.engine.begin() as connection:
        connection.execute(tables.snapshots.delete())
    with world.serving() as client:  # contexts and log alone give the same
        assert dataset_scores(client)[0]["rivals"] == line["rivals"]
    dataset = world.ingest("sensors")
    assert reanchor(world.engine, dataset, promotions.served(world.engine, dataset.id)) is not None
    champion, _ = build_champion.build(world.engine, dataset, promotions.served(world.engine, dataset.id))
    assert sorted(champion.states.rivals().tolist()) == [1, 24, 24, 24]  # a new anchor carries them over


def test_contexts_of_before_there_were_rivals_give_each_series_the_usual_one(world):
    dataset = world.ingest("sensors")
    promotion = promotions.served(world.engine, dataset.id)
    with world.engine.begin() as connection:
        table = tables.contexts
        for number, blob in connection.execute(select(table.c.shard, table.c.blob)).all():
            arrays, words = unpack(blob)
            del arrays["carried.rival"]
            connection.execute(table.update().where(table.c.shard == number).values(blob=pack(arrays, words)))
    champion, _ = build_champion.build(world.engine, dataset, promotion)
    assert champion.states.rivals().tolist() == [12, 12]


def test_scores_of_a_dataset_list_each_version_that_served(world):
    dataset = world.ingest("sensors")
    with world.serving() as client:
        flat(client, 5)
        world.promote(dataset, baseline(PANEL), PANEL)
        until(lambda: client.get("/v1/series/a").json()["model"]["version"] == 2)
        now, then = dataset_scores(client)
        assert [(line["model"]["version"], line["status"], line["n"]) for line in (now, then)] == [
            (2, "champion", 0),
            (1, "previous", 5),
        ]
        assert (then["mae"], then["skill"]) == (0, 1)
        assert then["since"] <= now["since"]
        client.post("/v1/observations", json=rows("b", [1.0]))  # the version before is scored on this value too
        until(lambda: [(line["n"], line["last_day"]["n"]) for line in dataset_scores(client)] == [(1, 1), (6, 6)])
        assert client.get("/v1/scores", params={"dataset": "nothing"}).status_code == 404
    with world.serving() as client:  # a restart loses none of it
        until(lambda: [line["n"] for line in dataset_scores(client)] == [1, 6])
        world.promote(dataset, baseline(PANEL, "drift"), PANEL)  # states of two versions are kept in memory
        expected = [(3, 0), (2, 1), (1, 6)]
        until(lambda: [(line["model"]["version"], line["n"]) for line in dataset_scores(client)] == expected)
        assert dataset_scores(client)[2]["last_day"] is None


def test_a_dataset_without_a_model_has_no_scores(tmp_path):
    world = World.at(tmp_path)
    world.ingest("sensors", "a")
    with world.serving() as client:
        assert client.get("/v1/scores").json() == {"scores": []}
        assert client.get("/v1/series/a/scores").status_code == 409


def test_the_last_day_counts_targets_settled_since_the_sums_of_a_day_ago(world):
    with world.serving() as client:
        flat(client, 4)
    (written,) = scores.latest(world.engine, world.ingest("sensors").id)
    scores.put(world.engine, written._replace(at=written.at - 25 * HOUR))
    with world.serving() as client:
        client.post("/v1/observations", json=rows("a", [3.0, 3.0], first=4))
        (line,) = client.get("/v1/scores").json()["scores"]
        assert (line["n"], line["last_day"]["n"]) == (6, 2)


def test_metrics_show_the_last_day_by_horizon_and_not_by_series(world):
    with world.serving() as client:
        flat(client, 6)
        page = client.get("/metrics").text
    assert 'rollcast_interval_coverage_ratio{dataset="sensors",horizon_bucket="1-1",level="80"} 1.0' in page
    assert 'rollcast_interval_coverage_ratio{dataset="sensors",horizon_bucket="6-6",level="95"} 1.0' in page
    assert 'rollcast_forecast_error_mase{dataset="sensors",horizon_bucket="2-2"} 0.0' in page
    assert 'rollcast_forecast_skill_ratio{dataset="sensors",horizon_bucket="3-3"} 1.0' in page
    assert 'rollcast_forecast_stability_ratio{dataset="sensors",horizon_bucket="4-4"} 0.0' in page
    assert (
        'stability_ratio{dataset="sensors",horizon_bucket="1-1"' not in page
    )  # only one forecast had a target that near
    assert '"a"' not in page


def test_a_late_row_read_again_from_the_log_settles_nothing(world):
    with world.serving() as client:
        client.post("/v1/observations", json=[*rows("a", [1]), *rows("a", [3], first=2)])
        client.post("/v1/observations", json=rows("a", [2], first=1))
        client.post("/v1/observations", json=rows("a", [4], first=3))
        assert sums(served(client))["settled"] == [1, 0, 1, 1, 0, 0]
    with world.engine.begin() as connection:
        connection.execute(tables.snapshots.delete())
    with world.serving() as client:  # all four rows at once
        assert sums(served(client))["settled"] == [1, 0, 1, 1, 0, 0]


def random_actions(seed: int) -> list[tuple]:
    """24 rows in any order, and four snapshots that are cut short or kills among them; a kill at the end."""
    draw = random.Random(seed)
    rows = [
        ("row", draw.choice(IDS), draw.randint(-3, 9), draw.choice([1.0, 2.0, float("nan")]), draw.random() < 0.2)
        for _ in range(24)
    ]
    others = [draw.choice([("snapshot", draw.randint(1, 4)), ("kill",)]) for _ in range(4)]
    mixed = rows + others
    draw.shuffle(mixed)
    return [*mixed, ("kill",)]


@settings(max_examples=12)
@given(st.integers(0, 10**6))
def test_killed_at_any_point_every_target_is_settled_once(tmp_path_factory, seed):
    """Shards of two series; a restart has only log and snapshots. The number of settled targets is the number of first
    values that were newer than all before and not held, whatever else came."""
    world = World.at(tmp_path_factory.mktemp("killed"))
    dataset = world.ingest("sensors", *IDS)
    bundle = network(PANEL)
    world.promote(dataset, bundle, PANEL)
    promotion = promotions.served(world.engine, dataset.id)
    champion, _ = build_champion.build(world.engine, dataset, promotion)
    expected, reached = dict.fromkeys(IDS, 0), {"a": -1, "b": -1}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoints, "SHARD", 2)
        for action in random_actions(seed):
            if action[0] == "row":
                _, unique_id, step, value, held = action
                if unique_id in reached and step > reached[unique_id]:
                    reached[unique_id] = step
                    expected[unique_id] += value == value and not held
                y = None if value != value else value
                row = LoggedValue(dataset.id, world.number(dataset, unique_id), START + step * FIVE, y, START)
                (seq,) = observation_log.append(world.engine, [row], verdicts={0: "spike"} if held else None)
                columns = (
                    np.array([one]) for one in (seq, row.series_id, row.ds, value, START, "spike" if held else None)
                )
                folding.take_in(world.engine, champion, Rows.of_log(Log(*columns), champion.grid))
            elif action[0] == "snapshot":
                one_pass = SnapshotPass(champion)
                any(not one_pass.step(world.engine) for _ in range(action[1]))
            else:
                champion, _ = build_champion.build(world.engine, dataset, promotion)
    states = champion.states
    for unique_id in IDS:
        found = states.scores(world.number(dataset, unique_id))
        assert (0 if found is None else found.totals.raw[:, 0].sum()) == expected[unique_id]
    assert states.totals.raw[:, 0].sum() == sum(expected.values())


@pytest.mark.parametrize(("first", "settled"), [(5.0, 1), (np.nan, 0)])
def test_a_value_that_came_before_its_step_was_released_anew_is_settled_all_the_same(first, settled):
    roller = model_of(baseline(PANEL, "naive"))
    state = roller.start(PANEL.tail_matrix(roller.config.context), PANEL.last)
    ledger, step = roller.ledger(2), PANEL.last[:1] + 1
    only = np.array([0]), step, np.array([7.0])
    roller.fold(state, *only, ledger, np.array([first]), np.array([FORECASTS_ANEW], np.int8))
    assert ledger.sums[0, :, SUMS.index("settled")].sum() == settled
    assert state.age[0] == 0  # the forecast began anew
