"""Forecasts of symbols over HTTP: probabilities, continuations, and what symbols do not have."""

import pytest

from service.base.request_limits import MAX_PRIME_BYTES
from states.views import symbol_forecasts
from tests.support.service_kit import World, baseline, panel_of, stamp
from tests.support.symbol_kit import DISHES, code_panel, cycling, dinners, symbol_network, symbol_rows

PANEL = dinners("dinner", "lunch")  # both end with waffles
MODEL = cycling(PANEL)
NUMBERS = panel_of("pump")


@pytest.fixture
def world(tmp_path):
    world = World.at(tmp_path)
    world.promote(world.ingest("dinner", "dinner", "lunch", "new", vocabulary=DISHES), MODEL, PANEL)
    world.promote(world.ingest("pumps", "pump"), baseline(NUMBERS), NUMBERS)
    return world


@pytest.fixture
def client(world):
    with world.serving() as client:
        yield client


def forecast(client, unique_id="dinner", **query):
    answer = client.get(f"/v1/series/{unique_id}/forecast", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def likeliest(body):
    return [step["probabilities"][0]["symbol"] for step in body["steps"]]


def problem(answer, status):
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    return answer.json()


def continued(client, unique_id="dinner", **body):
    answer = client.post(f"/v1/series/{unique_id}/continuations", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_next_symbols_follow_the_cycle_and_a_missing_one_is_bridged(client):
    body = forecast(client, horizon=4)
    assert (body["kind"], body["horizon"], body["answered_by"], body["status"]) == ("symbols", 4, "champion", "ok")
    assert (body["origin"], body["steps"][0]["ds"]) == (stamp(-1), stamp(0))
    assert likeliest(body) == ["pizza", "sushi", "waffles", "pizza"]  # the last day, a waffle day, was not written down
    for step in body["steps"]:
        total = sum(one["p"] for one in step["probabilities"]) + step["rest"]
        assert total == pytest.approx(1) and step["rest"] == 0  # all three are named
        assert step["probabilities"][0]["p"] > 0.9
    client.post("/v1/observations", json=symbol_rows("dinner", ["pizza", "sushi", None]))
    assert likeliest(forecast(client, horizon=2)) == ["pizza", "sushi"]


def test_one_step_is_exact_and_further_steps_are_means_of_roll_outs_that_repeat(client, world):
    state = world.folded(world.ingest("dinner"), MODEL, PANEL, "dinner")
    once = forecast(client, horizon=1)
    assert once["paths"] == 0
    named = {one["symbol"]: one["p"] for one in once["steps"][0]["probabilities"]}
    assert named == {dish: float(p) for dish, p in zip(DISHES, state.probabilities[0], strict=True)}
    whole = client.get("/v1/series/dinner/forecast")
    assert whole.json()["paths"] == 256 and whole.json()["steps"][0] == once["steps"][0]
    client.app.state.runtime.forecast_cache.expire()
    again = client.get("/v1/series/dinner/forecast")
    assert again.content == whole.content and again.headers["etag"] == whole.headers["etag"]
    known = {"if-none-match": whole.headers["etag"]}
    assert client.get("/v1/series/dinner/forecast", headers=known).status_code == 304
    assert forecast(client, "lunch")["steps"][1] != whole.json()["steps"][1]  # another seed for another series


def test_the_answer_says_how_many_paths_there_was_room_for(client, monkeypatch):
    weights = client.app.state.runtime.directory.find("dinner").served.champion.roller.weights
    monkeypatch.setattr(symbol_forecasts, "BUDGET", 100 * 6 * weights)
    assert forecast(client, horizon=6)["paths"] == 100
    told = problem(client.get("/v1/series/dinner/forecast", params={"horizon": 60}), 422)
    assert told["errors"][0]["pointer"] == "/query/horizon" and "must be at most 37" in told["detail"]
    assert "16 paths × steps × 36 weights × 1 series may be 21,600 at most" in told["detail"]
    monkeypatch.undo()
    told = problem(client.get("/v1/series/dinner/forecast", params={"horizon": 10_001}), 422)
    assert "must be at most 10,000" in told["detail"]
    assert len(forecast(client, horizon=10_000)["steps"]) == 10_000


def test_a_series_without_a_symbol_says_so_and_answers_after_the_first(client):
    told = problem(client.get("/v1/series/new/forecast"), 409)
    assert told["code"] == "nothing_observed"
    client.post("/v1/observations", json=symbol_rows("new", ["sushi"]))
    assert likeliest(forecast(client, "new", horizon=2)) == ["waffles", "pizza"]


def test_the_chance_that_a_symbol_comes_within_some_steps_only_grows(client):
    body = forecast(client, horizon=4, within="waffles")
    chances = [step["within"] for step in body["steps"]]
    assert chances == sorted(chances) and chances[0] < 0.05 and chances[2] > 0.9  # on the third day
    assert chances[0] == pytest.approx(
        next(o["p"] for o in body["steps"][0]["probabilities"] if o["symbol"] == "waffles")
    )
    plain = [{name: step[name] for name in step if name != "within"} for step in body["steps"]]
    assert plain == forecast(client, horizon=4)["steps"]
    told = problem(client.get("/v1/series/dinner/forecast", params={"within": "soup"}), 422)
    assert told["errors"][0]["pointer"] == "/query/within"
    assert "is not a symbol of the vocabulary: 'pizza', 'sushi', 'waffles'" in told["detail"]
    assert (
        problem(client.get("/v1/series/pump/forecast", params={"within": "waffles"}), 409)["code"] == "not_for_numbers"
    )


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("forecast", {"level": "80"}),
        ("forecast", {"quantiles": "0.5"}),
        ("vintages", {}),
        ("observations", {"points": "50"}),
    ],
)
def test_what_symbols_do_not_have_is_refused_with_words(client, path, query):
    told = problem(client.get(f"/v1/series/dinner/{path}", params=query), 409)
    assert told["code"] == "not_for_symbols" and told["detail"].startswith("A dataset of symbols has no ")


def test_numbers_have_no_continuations(client):
    told = problem(client.post("/v1/series/pump/continuations", json={}), 409)
    assert (told["code"], "quantiles" in told["detail"]) == ("not_for_numbers", True)


def test_continuations_repeat_by_seed_and_leave_the_state_alone(client):
    before = forecast(client)
    found = continued(client, samples=3, steps=6, temperature=0.1)
    assert found["continuations"] == [["pizza", "sushi", "waffles"] * 2] * 3
    assert "text" not in found and found["origin"] == stamp(-1)
    assert continued(client, samples=3, steps=6, temperature=0.1) == found  # the seed is that of the state
    wild = [continued(client, samples=2, steps=40, temperature=5, seed=seed) for seed in (1, 1, 2)]
    assert wild[0] == wild[1] and wild[0]["continuations"] != wild[2]["continuations"]
    primed = continued(client, steps=2, temperature=0.1, prime=["pizza", "sushi"])
    assert primed["continuations"] == [["waffles", "pizza"]]
    assert forecast(client) == before


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"samples": 65}, "/samples"),
        ({"samples": 0}, "/samples"),
        ({"steps": 10_001}, "/steps"),
        ({"temperature": 0}, "/temperature"),
        ({"temperature": 5.1}, "/temperature"),
        ({"seed": -1}, "/seed"),
        ({"seed": 2**63}, "/seed"),
        ({"prime": ["soup"]}, "/prime"),
        ({"prime": "pizza"}, "/prime"),
        ({"prime": [3]}, "/prime"),
        ({"prime": ["pizza"] * (MAX_PRIME_BYTES // 5 + 1)}, "/prime"),
        ({"colour": 1}, ""),
        ([], ""),
    ],
)
def test_a_wrong_request_for_continuations_is_refused_at_its_place(client, body, pointer):
    told = problem(client.post("/v1/series/dinner/continuations", json=body), 422)
    assert told["errors"][0]["pointer"] == pointer and "soup" not in str(told)


def test_a_temperature_that_is_no_number_is_refused_at_its_place(client):
    headers = {"content-type": "application/json"}
    asked = client.post("/v1/series/dinner/continuations", content='{"temperature": NaN}', headers=headers)
    assert problem(asked, 422)["errors"][0] == {"pointer": "/temperature", "message": "must be a finite number"}


def test_too_long_continuations_are_refused_with_the_numbers(client, monkeypatch):
    monkeypatch.setattr(symbol_forecasts, "BUDGET", 1000)
    told = problem(client.post("/v1/series/dinner/continuations", json={"samples": 64, "steps": 5}), 422)
    assert "64 samples of 5 steps" in told["detail"] and "more than 1,000 products" in told["detail"]


def test_many_forecasts_at_once_are_those_of_one_by_one(client):
    body = {"ids": ["dinner", "pump", "new", "nobody"], "horizon": 3}
    found = client.post("/v1/forecasts", json=body).json()["forecasts"]
    assert found[0] == forecast(client, horizon=3)
    assert "quantiles" in found[1] and found[2]["error"]["code"] == "nothing_observed"
    assert found[3]["error"]["code"] == "unknown_series"
    told = problem(client.post("/v1/forecasts", json={"ids": ["dinner"], "level": 80}), 409)
    assert told["code"] == "not_for_symbols"


def test_the_forecast_of_an_earlier_moment_is_the_one_that_was_answered(client):
    before = forecast(client)
    sequence = client.post("/v1/observations", json=symbol_rows("dinner", ["pizza"])).json()["sequence"]
    after = forecast(client)
    client.post("/v1/observations", json=symbol_rows("dinner", ["waffles"], first=1))
    assert forecast(client, as_of=f"{sequence}") == after != before


def test_series_state_and_network_speak_in_symbols(client):
    series = client.get("/v1/series/dinner").json()
    assert (series["vocabulary"], series["kind"]) == (list(DISHES), "instant")
    assert client.get("/v1/series/pump").json()["vocabulary"] is None
    state = client.get("/v1/series/dinner/state").json()
    assert (state["last"], state["expected"], state["gap"], state["vintage"]) == ("sushi", "pizza", 1, None)
    inside = client.get("/v1/series/dinner/network", params={"steps": 8}).json()
    assert inside["y"][-5:] == [None, "waffles", "pizza", "sushi", None]
    expected = [step["probabilities"][0]["symbol"] for step in inside["expected"][1:]]
    assert expected == ["waffles", "pizza", "sushi", "waffles", "pizza", "sushi", "waffles"]
    listed = client.get("/v1/series", params={"sparkline": 20}).json()["series"]
    assert {line["unique_id"]: "sparkline" in line for line in listed}["dinner"] is False


def test_each_symbol_is_scored_by_the_probability_that_it_had(client):
    client.post("/v1/observations", json=symbol_rows("dinner", ["pizza", "sushi", None, "pizza", "waffles"]))
    scores = client.get("/v1/series/dinner/scores").json()
    assert scores["n"] == 4 and scores["accuracy"] == 0.75 and scores["rival"] in ("frequency", "last_symbol")
    assert scores["perplexity"] == pytest.approx(2.718281828 ** scores["log_loss"])
    assert sum(line["n"] for line in scores["calibration"]) == 4
    (line,) = client.get("/v1/scores", params={"dataset": "dinner"}).json()["scores"]
    assert (line["n"], line["last_day"]["n"]) == (4, 4)
    page = client.get("/metrics").text
    assert 'rollcast_forecast_accuracy_ratio{dataset="dinner",horizon_bucket="1-1"} 0.75' in page
    assert client.get("/v1/datasets").json()["datasets"][0]["last_day"]["mase"] is None


def test_a_text_is_continued_as_a_text(tmp_path):
    world, panel = World.at(tmp_path), code_panel("book")
    words = tuple(sorted({"a", "b", " ", "\n", *"cdefghijklmnopqrstuvwxyz.,!"}))
    words = words + tuple("ABCDEFGHIJ")[: 32 - len(words)]
    dataset = world.ingest("book", "book", freq="5m", vocabulary=words)
    remember(world, dataset, "character")
    world.promote(dataset, symbol_network(panel, vocabulary=words), panel)
    with world.serving() as client:
        found = continued(client, "book", samples=2, steps=30, prime="a cab, ")
        assert found["text"] == ["".join(symbols) for symbols in found["continuations"]]
        assert len(found["text"]) == 2 and len(found["text"][0]) == 30


def remember(world, dataset, by):
    from data.store import catalogue

    catalogue.put_dataset(
        world.engine, dataset.name, grid=dataset.grid, season=12, horizon=6, target="y", memory={"by": by}
    )
