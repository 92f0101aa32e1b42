"""What /metrics shows of store, disk, versions and gates."""

import re

import numpy as np
import pytest

from data import clock
from service.models import scrape_facts
from service.models.scrape_facts import sampled_gates
from states import build_champion
from states.past.effective_memories import EffectiveMemories
from tests.support.service_kit import World, baseline, network, panel_of, rows, until

NAMES = ("a", "b", "c")


@pytest.fixture
def world(tmp_path, store_url) -> World:
    return World.at(tmp_path / "home", store_url)


def value(text: str, name: str) -> float:
    """The value of the one metric with this name."""
    (found,) = re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, flags=re.MULTILINE)
    return float(found)


def test_store_disk_and_times_are_shown(world, monkeypatch):
    monkeypatch.setattr(scrape_facts, "CACHE_SECONDS", 0.0)
    panel = panel_of(*NAMES)
    before = clock.now() / 1e6
    world.promote(world.ingest("sensors", *NAMES), baseline(panel), panel)
    with world.serving() as client:
        text = client.get("/metrics").text
        assert "rollcast_last_ingest_timestamp_seconds{" not in text  # no row was stored
        assert "rollcast_gate_activation_ratio{" not in text  # a baseline has no gates
        assert before <= value(text, "rollcast_model_trained_timestamp_seconds") <= clock.now() / 1e6
        client.post("/v1/observations", json=rows("a", [3.0]))
        text = client.get("/metrics").text
    assert before <= value(text, "rollcast_last_ingest_timestamp_seconds") <= clock.now() / 1e6
    assert value(text, "rollcast_log_bytes") > 8_000
    assert 0 < value(text, "rollcast_disk_free_bytes") < value(text, "rollcast_disk_bytes")
    assert value(text, "rollcast_observe_backlog_requests") == 0


def test_gates_are_the_mean_over_sampled_series_of_those_that_their_states_show(tmp_path, monkeypatch):
    world, panel = World.at(tmp_path / "home"), panel_of(*NAMES)
    dataset = world.ingest("sensors", *NAMES)
    world.promote(dataset, network(panel), panel)
    with world.serving() as client:
        shown = [client.get(f"/v1/series/{name}/state").json()["layers"] for name in NAMES]
        text = client.get("/metrics").text
    found = {
        (int(labels["layer"]), labels["gate"]): float(opened)
        for line, opened in re.findall(r"^rollcast_gate_activation_ratio{(.*)} (\S+)$", text, flags=re.MULTILINE)
        for labels in [dict(re.findall(r'(\w+)="([^"]*)"', line))]
    }
    assert found.keys() == {(layer, gate) for layer in (1, 2) for gate in ("input", "forget", "output")}
    for (layer, gate), opened in found.items():
        assert opened == pytest.approx(np.mean([layers[layer - 1]["gates"][gate] for layers in shown]), abs=1e-6)
        assert 0 < opened < 1


def test_the_effective_memory_is_measured_after_the_first_scrape_and_is_that_of_the_network_route(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(scrape_facts, "CACHE_SECONDS", 0.0)
    world, panel = World.at(tmp_path / "home"), panel_of(*NAMES)
    world.promote(world.ingest("sensors", *NAMES), network(panel), panel)
    with world.serving() as client:
        until(lambda: "rollcast_effective_memory_steps{" in client.get("/metrics").text)
        shown = client.get("/v1/series/a/network").json()["effective_memory"]
        steps = shown if isinstance(shown, (int, float)) else shown["steps"]
        assert value(client.get("/metrics").text, "rollcast_effective_memory_steps") == pytest.approx(steps)


def test_of_many_series_only_some_are_looked_at(tmp_path, monkeypatch):
    world, panel = World.at(tmp_path / "home"), panel_of(*NAMES)
    dataset = world.ingest("sensors", *NAMES)
    world.promote(dataset, network(panel), panel)
    from data.store import promotions

    champion, _ = build_champion.build(world.engine, dataset, promotions.served(world.engine, dataset.id))
    monkeypatch.setattr(scrape_facts, "SAMPLED", 2)
    looked: list[int] = []
    gates = champion.roller.gates

    def counted(state, row, value):
        looked.append(row)
        return gates(state, row, value)

    monkeypatch.setattr(champion.roller, "gates", counted)
    assert sampled_gates(champion) and looked == [0, 1]


def test_while_the_store_does_not_answer_the_last_facts_are_shown(tmp_path, monkeypatch):
    from data.errors import StoreUnavailable

    world = World.at(tmp_path / "home")
    answers = True

    def engine():
        if answers:
            return world.engine
        raise StoreUnavailable("the store is away")

    monkeypatch.setattr(scrape_facts, "CACHE_SECONDS", 0.0)
    reader = scrape_facts.FactsReader(engine, tmp_path / "not" / "made", EffectiveMemories())
    known = reader.read([])
    assert known.log_bytes and known.disk_free
    answers = False
    until(lambda: reader.read([]) == known, 5)
