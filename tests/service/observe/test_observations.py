"""Observations are stored, then rolled into the state; in any order of arrival the state is the fold of the log."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.store import observation_log
from data.store.observation_log import LoggedValue
from tests.support.running_mean import running_mean
from tests.support.service_kit import (
    FIVE,
    START,
    World,
    baseline,
    median,
    network,
    panel_of,
    rows,
    same_states,
    stamp,
    until,
)

PANEL = panel_of("a", "b")
MODELS = {"seasonal_naive": baseline(PANEL), "lstm": network(PANEL), "running_mean": running_mean(PANEL)}


@pytest.fixture(params=["sqlite", "postgres"])
def world(request, tmp_path):
    """A dataset under a network, on either store."""
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""
    return World.at(tmp_path, url)


@pytest.fixture
def client(world):
    world.promote(world.ingest("sensors", "a", "b"), MODELS["seasonal_naive"], PANEL)
    with world.serving() as client:
        yield client


def post(client, sent, status=200):
    answer = client.post("/v1/observations", json=sent)
    assert answer.status_code == status, answer.text
    return answer.json()


def counts(answer):
    """Outcomes that any row met; all outcomes add up to the rows received."""
    assert answer["counts"].keys() == {
        "applied",
        "duplicate",
        "corrected",
        "late",
        "quarantined",
        "ignored",
        "rejected",
    }
    assert sum(answer["counts"].values()) == answer["received"] == len(answer["outcomes"])
    return {outcome: count for outcome, count in answer["counts"].items() if count}


def test_an_observation_rolls_the_forecast_forward(client):
    before, other = median(client, "a"), median(client, "b")
    answer = post(client, rows("a", [42.0]))
    assert (answer["received"], answer["outcomes"]) == (1, ["applied"])
    assert client.get("/v1/series/a").json()["origin"] == stamp(0)
    assert median(client, "a")[:5] == pytest.approx(before[1:])  # one step on, the same season ago
    assert median(client, "b") == other


def test_the_same_observation_twice_advances_once(client, world):
    post(client, rows("a", [42.0]))
    once = client.get("/v1/series/a/forecast").json()
    assert counts(post(client, rows("a", [42.0]))) == {"duplicate": 1}
    assert client.get("/v1/series/a/forecast").json() == once
    assert len(world.logged(world.ingest("sensors"), "a")) == 1


def test_outcomes_add_up_row_by_row(client):
    post(client, rows("a", [1.0, 2.0, 3.0]))
    sent = [*rows("a", [1.0, 2.5]), *rows("a", [4.0], first=3), *rows("a", [5.0], first=-3), *rows("b", [6.0])]
    answer = post(client, sent)
    assert answer["outcomes"] == ["duplicate", "corrected", "applied", "corrected", "applied"]
    assert counts(answer) == {"applied": 2, "duplicate": 1, "corrected": 2}
    assert sum(answer["counts"].values()) == answer["received"] == 5


def test_a_value_of_the_context_sent_again_is_a_duplicate(client):
    last = float(PANEL.series(0)[-1])
    assert post(client, rows("a", [last], first=-1))["outcomes"] == ["duplicate"]


def test_a_correction_reaches_the_forecast(client):
    post(client, rows("a", [1.0, 2.0, 3.0]))
    assert post(client, rows("a", [20.0], first=1))["outcomes"] == ["corrected"]
    values = [float(value) for value in PANEL.series(0)[-9:]] + [1.0, 20.0, 3.0]
    assert median(client, "a") == pytest.approx(values[:6])
    post(client, rows("a", [0.0] * 7, first=3))
    assert median(client, "a")[:5] == pytest.approx([*values[7:9], 1.0, 20.0, 3.0])


def test_a_late_row_fills_the_gap_that_it_left(client):
    post(client, rows("a", [1.0, 2.0, 3.0, 5.0]))
    straight = client.get("/v1/series/a/forecast").json()
    for value, step in [(1.0, 0), (5.0, 3), (2.0, 1), (3.0, 2)]:
        post(client, rows("b", [value], first=step))
    assert client.get("/v1/series/b").json()["imputed"] == 0
    assert client.get("/v1/series/b").json()["origin"] == straight["origin"]


def test_a_row_older_than_the_context_is_stored_and_moves_nothing(client, world):
    before = client.get("/v1/series/a/forecast").json()
    answer = post(client, rows("a", [1.0], first=-150))
    assert answer["outcomes"] == ["late"]
    after = client.get("/v1/series/a/forecast").json()
    assert after["mean"] == before["mean"]
    assert world.logged(world.ingest("sensors"), "a") == [(-150, 1.0)]
    assert post(client, rows("a", [1.0], first=-150))["outcomes"] == ["duplicate"]


def test_a_missing_value_is_a_step_of_its_own(client):
    assert post(client, rows("a", [1.0, None, 3.0]))["outcomes"] == ["applied"] * 3
    found = client.get("/v1/series/a").json()
    assert (found["origin"], found["imputed"]) == (stamp(2), 1)
    assert "imputed" in found["flags"]
    assert post(client, rows("a", [None], first=1))["outcomes"] == ["duplicate"]


def test_stamps_between_two_steps_move_down_and_are_counted(client):
    odd = stamp(0).replace(":00Z", ":30Z")
    answer = post(client, [{"unique_id": "a", "ds": odd, "y": 1.0}])
    assert answer["snapped"] == 1
    assert client.get("/v1/series/a").json()["origin"] == stamp(0)


def test_a_row_that_cannot_be_stored_is_rejected_beside_the_others(client, world):
    sent = [*rows("nobody", [1.0]), *rows("a", [1.0]), *rows("a", [1e31, 3.0], first=1), *rows("a", [1.0])]
    answer = post(client, sent)
    assert answer["outcomes"] == ["rejected", "applied", "rejected", "applied", "duplicate"]
    assert counts(answer) == {"applied": 2, "duplicate": 1, "rejected": 2}
    assert [fault["pointer"] for fault in answer["errors"]] == ["/0/unique_id", "/2/y"]
    assert world.logged(world.ingest("sensors"), "a") == [(0, 1.0), (2, 3.0)]
    assert 'rollcast_observations_total{outcome="rejected"} 2.0' in client.get("/metrics").text


def test_nothing_is_stored_when_a_row_has_another_shape_or_none_can_be_stored(client, world):
    post(client, [*rows("a", [1.0, 2.0]), {"unique_id": "a", "ds": stamp(2), "y": "3"}], 422)
    post(client, [*rows("nobody", [1.0]), {"unique_id": "a", "ds": "soon", "y": 1.0}], 422)
    assert world.logged(world.ingest("sensors"), "a") == []


def test_lines_are_rows_and_a_broken_one_is_rejected(client, world):
    lines = (
        f'{{"unique_id":"a","ds":"{stamp(0)}","y":1}}\n\n{{"unique_id":\n{{"unique_id":"b","ds":"{stamp(0)}","y":2}}'
    )
    kind = {"content-type": "application/x-ndjson"}
    answer = client.post("/v1/observations", content=lines, headers=kind).json()
    assert answer["outcomes"] == ["applied", "rejected", "applied"]
    assert answer["errors"] == [{"pointer": "/line/3", "message": "is not valid JSON"}]
    answer = client.post("/v1/series/a/observations", content=f'{{"ds":"{stamp(1)}","y":3}}\r\n', headers=kind).json()
    assert counts(answer) == {"applied": 1}
    assert world.logged(world.ingest("sensors"), "a") == [(0, 1.0), (1, 3.0)]


def test_one_series_takes_rows_without_its_id(client):
    for body in (
        {"ds": stamp(0), "y": 1.0},
        [{"ds": stamp(1), "y": 2.0}],
        {"observations": [{"ds": stamp(2), "y": 3.0}]},
    ):
        answer = client.post("/v1/series/a/observations", json=body)
        assert answer.json()["outcomes"] == ["applied"]
    answer = client.post("/v1/series/a/observations", json=rows("b", [1.0]))
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/0/unique_id")


def test_a_stamp_in_the_future_of_the_clock_is_quarantined_and_without_a_value_refused(world):
    world.promote(world.ingest("sensors", "a", "b"), MODELS["seasonal_naive"], PANEL)
    with world.serving(clock=lambda: START) as client:
        assert post(client, rows("a", [1.0, 2.0]))["received"] == 2  # five minutes ahead, the tolerance
        assert post(client, rows("a", [3.0], first=2))["outcomes"] == ["quarantined"]
        assert post(client, rows("a", [None], first=2), 422)["errors"][0]["pointer"] == "/0/ds"
    assert world.logged(world.ingest("sensors"), "a") == [(0, 1.0), (1, 2.0)]


def test_a_stamp_that_no_gap_explains_is_refused(client, world):
    post(client, rows("a", [1.0, 2.0]))
    zero = {"unique_id": "a", "ds": "0001-01-01T00:00:00Z", "y": 3.0}  # a clock that was never set
    assert post(client, [zero], 422)["errors"][0]["pointer"] == "/0/ds"
    two_years = 2 * 366 * 24 * 12  # steps of five minutes, each of which would be history from then on
    assert post(client, rows("a", [3.0], first=-two_years), 422)["errors"][0]["pointer"] == "/0/ds"
    assert post(client, rows("a", [3.0], first=-1000))["outcomes"] == ["late"]
    assert len(world.logged(world.ingest("sensors"), "a")) == 3


def test_requests_at_once_are_each_answered_for_their_own_rows(client, world):
    def send(step: int) -> list[str]:
        return post(client, rows("ab"[step % 2], [float(step)], first=step))["outcomes"]

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(send, range(64)))
    assert all(len(outcome) == 1 for outcome in outcomes)
    dataset = world.ingest("sensors")
    assert len(world.logged(dataset, "a")) + len(world.logged(dataset, "b")) == 64
    for unique_id in "ab":
        served = client.app.state.runtime.directory.find(unique_id)
        state = served.served.champion.states.read(served.series).state
        assert same_states(state, world.folded(dataset, MODELS["seasonal_naive"], PANEL, unique_id))


def test_rows_that_another_process_logged_are_taken_in(client, world):
    dataset = world.ingest("sensors")
    series = world.number(dataset, "a")
    observation_log.append(world.engine, [LoggedValue(dataset.id, series, START, 7.0, START)])
    until(lambda: client.get("/v1/series/a").json()["origin"] == stamp(0))
    observation_log.append(world.engine, [LoggedValue(dataset.id, series, START + FIVE, 8.0, START)])
    post(client, rows("a", [9.0], first=2))
    state = client.get("/v1/series/a").json()
    assert (state["origin"], state["imputed"]) == (stamp(2), 0)


arrivals = st.lists(
    st.lists(
        st.tuples(st.integers(-30, 12), st.sampled_from([1.0, 5.0, 9.0, None])),
        min_size=1,
        max_size=6,
    ),
    min_size=1,
    max_size=6,
)


@pytest.mark.usefixtures("second_model")
@pytest.mark.parametrize("kind", MODELS)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arrivals)
def test_any_order_of_arrival_gives_the_fold_of_the_log(kind, tmp_path_factory, requests):
    world = World.at(tmp_path_factory.mktemp("order"))
    dataset = world.ingest("sensors", "a", "b")
    world.promote(dataset, MODELS[kind], PANEL)
    with world.serving() as client:
        for request in requests:
            post(client, [{"unique_id": "a", "ds": stamp(step), "y": y} for step, y in request])
        target = client.app.state.runtime.directory.find("a")
        rolled = target.served.champion.states.read(target.series).state
        assert same_states(rolled, world.folded(dataset, MODELS[kind], PANEL, "a"))


def test_the_dataset_of_a_row_counts_where_the_path_names_a_series_of_several(tmp_path):
    world = World.at(tmp_path)
    first, second = world.ingest("mill", "a"), world.ingest("plant", "a")
    with world.serving() as client:
        path = "/v1/series/a/observations"
        row = rows("a", [1.5])[0]
        assert client.post(path, json=row).json()["code"] == "ambiguous_series"
        assert client.post(path, json={**row, "dataset": "plant"}).json()["counts"]["applied"] == 1
        assert (world.logged(first, "a"), world.logged(second, "a")) == ([], [(0, 1.5)])
        lines = [{"ds": stamp(1), "y": 2.5, "dataset": "mill"}, {"ds": stamp(2), "y": 3.5, "dataset": "plant"}]
        answer = client.post(path, json=lines).json()
        assert answer["errors"] == [{"pointer": "/1/dataset", "message": "is not the series of the path"}]
        assert world.logged(first, "a") == [(1, 2.5)]
        against = client.post(path, params={"dataset": "mill"}, json={**row, "dataset": "plant"})
        assert against.json()["errors"][0]["pointer"] == "/dataset"
        assert client.post(path, json={**row, "dataset": "nowhere"}).json()["code"] == "ambiguous_series"
