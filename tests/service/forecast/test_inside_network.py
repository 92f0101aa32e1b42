"""What goes on inside the model of a series, over HTTP."""

import pytest

from tests.support.service_kit import HORIZON, World, baseline, network, panel_of, rows

PANEL = panel_of("a", "b")


@pytest.fixture
def world(tmp_path):
    return World.at(tmp_path)


def test_an_lstm_shows_gates_lean_memory_and_a_cell(world):
    world.promote(world.ingest("sensors", "a", "b", "empty"), network(PANEL), PANEL)
    with world.serving() as client:
        client.post("/v1/observations", json=rows("a", [1.0, None, 3.0]))
        answer = client.get("/v1/series/a/network")
        body = answer.json()
        assert (body["asked"], body["steps"]) == (200, 16 + 3)  # the warm-up of the context, and what came since
        assert body["y"][-3:] == [1.0, None, 3.0] and body["ds"][-1] == body["origin"] == "2023-11-14T22:25:00Z"
        assert [layer["units"] for layer in body["layers"]] == [8, 8]
        for layer in body["layers"]:
            assert layer["gates"].keys() == {"input", "forget", "output"}
            for gate in layer["gates"].values():
                assert all(0 < low <= high < 1 for low, high in zip(gate["low"], gate["high"], strict=True))
                assert len(gate["mean"]) == 19
        assert sum(body["leans_on"]["weights"]) == pytest.approx(1, abs=1e-4)
        assert len(body["leans_on"]["weights"]) == 24 + HORIZON - 1
        assert body["effective_memory"] > 0 and body["notes"] == []
        cell = body["cell"]
        kept = cell["forget"] * cell["carry_before"] + cell["input"] * cell["new"]
        assert cell["carry_after"] == pytest.approx(kept, abs=1e-5) and cell["reset"] is None

        known = {"If-None-Match": answer.headers["etag"]}
        assert client.get("/v1/series/a/network", headers=known).status_code == 304
        assert client.get("/v1/series/a/network?steps=5", headers=known).json()["steps"] == 5
        client.post("/v1/observations", json=rows("a", [4.0], first=3))
        assert client.get("/v1/series/a/network", headers=known).json()["y"][-1] == 4.0
        assert client.get("/v1/series/empty/network").status_code == 409
        assert client.get("/v1/series/a/network?steps=0").json()["errors"][0]["pointer"] == "/query/steps"


def test_a_model_without_gates_says_so_and_leans_on_the_season(world):
    world.promote(world.ingest("sensors", "a", "b"), baseline(PANEL), PANEL)
    with world.serving() as client:
        client.post("/v1/observations", json=rows("a", [1.0]))
        body = client.get("/v1/series/a/network").json()
        assert (body["steps"], body["layers"], body["cell"], body["effective_memory"]) == (0, [], None, None)
        assert body["notes"] == [
            "A model of the kind seasonal_naive has no recurrent layers: no gates and no memory of its own, only the "
            "window."
        ]
        assert body["leans_on"]["weights"][12 - 1] == 1
