"""The last steps of a series, folded once more, end in the state that answers."""

import numpy as np
import pytest

from states.past import effective_memories, gate_history
from tests.support.service_kit import FIVE, START, World, baseline, network, panel_of, rows

PANEL = panel_of("a", "b")
FIRST = START // FIVE
WARMUP = 16  # steps of the context that the layers of a fresh state read


@pytest.fixture
def world(tmp_path):
    return World.at(tmp_path)


def snapshot(client):
    """Write every shard that moved, as the writer does between two batches once a minute."""
    writer = client.app.state.runtime._writer

    def write():
        for each in writer._begin_passes():
            while each.step(writer._engine):
                pass

    writer.ask(write).result(timeout=1500)


def observe(client, values, first):
    assert client.post("/v1/observations", json=rows("a", values, first=first)).status_code == 200


def traced(client, steps):
    """The gates of series a, whose last step must be that of its state."""
    runtime = client.app.state.runtime
    target = runtime.directory.find("a")
    champion = target.served.champion
    row = champion.states.read(target.series)
    trace = gate_history.gate_history(runtime.engine(), champion, target.series, row, steps)
    if trace is not None:
        cell = trace.cell
        assert trace.steps[-1] == row.state.origin[0]
        assert cell.hidden[1] == pytest.approx(row.state.hidden[0, 1, cell.unit], abs=1e-6)
    return trace


def test_steps_are_folded_from_the_context_and_from_checkpoints_alike(world):
    world.promote(world.ingest("sensors", "a", "b"), network(PANEL), PANEL)
    with world.serving() as client:
        assert traced(client, 200).steps.tolist() == list(range(FIRST - WARMUP, FIRST))
        values = np.random.default_rng(0).normal(10, 1, 30).tolist()
        observe(client, values[:10], 0)
        snapshot(client)
        observe(client, [*values[10:20], None, *values[21:]], 10)
        snapshot(client)
        whole = traced(client, 200)
        assert whole.steps.tolist() == list(range(FIRST - WARMUP, FIRST + 30))
        assert whole.values[-30:-10] == pytest.approx(values[:20]) and np.isnan(whole.values[-10])
        few = traced(client, 20)  # from the checkpoint after the tenth value
        assert few.steps.tolist() == list(range(FIRST + 10, FIRST + 30))
        assert few.layers[1]["forget"] == pytest.approx(whole.layers[1]["forget"][:, -20:], abs=1e-6)


def test_a_correction_changes_the_steps_after_it(world):
    world.promote(world.ingest("sensors", "a", "b"), network(PANEL), PANEL)
    with world.serving() as client:
        observe(client, [float(value) for value in range(12)], 0)
        snapshot(client)
        before = traced(client, 12)
        observe(client, [50.0], 4)
        after = traced(client, 12)
        changed = np.abs(before.layers[0]["input"] - after.layers[0]["input"]).max(0) > 1e-6
        assert not changed[:4].any() and changed[4:].all()
        assert after.values[4] == 50


def test_more_rows_than_may_be_folded_shorten_the_answer(world, monkeypatch):
    monkeypatch.setattr(gate_history, "REPLAY", 10)
    world.promote(world.ingest("sensors", "a", "b"), network(PANEL), PANEL)
    with world.serving() as client:
        observe(client, [float(value) for value in range(11)], 0)
        assert traced(client, 200) is None
        for first in (11, 18):
            snapshot(client)
            observe(client, [float(value) for value in range(7)], first)
        assert traced(client, 200).steps.tolist() == list(range(FIRST + 18, FIRST + 25))


def test_a_model_without_recurrent_layers_has_no_gates(world):
    world.promote(world.ingest("sensors", "a", "b"), baseline(PANEL), PANEL)
    with world.serving() as client:
        observe(client, [1.0], 0)
        assert traced(client, 10) is None


def test_a_model_is_measured_once(world, monkeypatch):
    dataset = world.ingest("sensors", "a", "b")
    world.promote(dataset, network(PANEL), PANEL)
    with world.serving() as client:
        champion = client.app.state.runtime.directory.datasets["sensors"].champion
        memories = effective_memories.EffectiveMemories()
        assert memories.known(champion) is None
        first = memories.measure(champion)
        assert first > 0 and memories.known(champion) == first
        monkeypatch.setattr(champion.contexts, "take", None)
        assert memories.measure(champion) == first
