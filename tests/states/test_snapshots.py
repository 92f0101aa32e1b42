"""A restart restores what snapshots hold and reads on from there, to the very same states."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from data.store import observation_log, promotions, snapshot_store, tables
from data.store.observation_log import Log, LoggedValue
from data.store.snapshot_store import LAYOUT
from forecasting.kernel.packing import pack, unpack
from states import build_champion, checkpoints, folding
from states.rows import Rows
from states.snapshots import SnapshotPass
from tests.support.service_kit import FIVE, START, World, baseline, network, panel_of, rows, same_states, until

IDS = ("a", "b", "c", "new", "newer")
PANEL = panel_of("a", "b", "c")
BUNDLE = network(PANEL)


def replayed(client) -> float:
    """Rows of the log that the service read again since it started."""
    lines = [
        line for line in client.get("/metrics").text.splitlines() if line.startswith("rollcast_replay_steps_total{")
    ]
    return sum(float(line.split()[-1]) for line in lines)


@pytest.fixture
def world(tmp_path):
    world = World.at(tmp_path)
    world.promote(world.ingest("sensors", *IDS), BUNDLE, PANEL)
    return world


def forecasts(client):
    return {one: client.get(f"/v1/series/{one}/forecast").json() for one in IDS[:4]}


def alike(one, other) -> bool:
    """Equal but for the last bits that a batch's size may move."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(alike(one[name], other[name]) for name in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(alike, one, other))
    return one == (pytest.approx(other, rel=1e-5) if isinstance(one, float) else other)


def busy(world) -> dict:
    """A service that saw some values, corrections and gaps, and was stopped."""
    with world.serving() as client:
        client.post("/v1/observations", json=[*rows("a", [1, 2, 3]), *rows("b", [4], first=5), *rows("new", [7, 8, 9])])
        client.post("/v1/observations", json=[*rows("a", [2.5], first=1), *rows("c", [1.5], first=-4)])
        return forecasts(client)


def test_a_restart_gives_the_same_forecasts_without_reading_the_log(world):
    before = busy(world)
    with world.serving() as client:
        assert forecasts(client) == before  # restored, not computed again: to the last bit
        assert replayed(client) == 0


def test_without_snapshots_a_restart_reads_the_log_to_the_same_forecasts(world):
    before = busy(world)
    with world.engine.begin() as connection:
        connection.execute(tables.snapshots.delete())
    with world.serving() as client:
        assert alike(forecasts(client), before)
        assert replayed(client) == 9


def test_a_snapshot_of_another_model_is_ignored(world):
    before = busy(world)
    dataset = world.ingest("sensors")
    for kept in snapshot_store.newest(world.engine, dataset.id, 1):
        arrays, metadata = unpack(kept.blob)
        wrong = pack(
            {name: np.zeros_like(array) for name, array in arrays.items()}, {**metadata, "fingerprint": "other"}
        )
        snapshot_store.put(world.engine, dataset.id, 1, kept.shard, kept.seq, wrong)
    with world.serving() as client:
        assert alike(forecasts(client), before)


def rewrite(world, layout: str, without: str = "") -> None:
    """Every snapshot as a program with this layout would have written it, which did not know one of the arrays."""
    dataset = world.ingest("sensors")
    for kept in list(snapshot_store.newest(world.engine, dataset.id, 1)):
        arrays, words = unpack(kept.blob)
        arrays.pop(without, None)
        snapshot_store.put(world.engine, dataset.id, 1, kept.shard, kept.seq, pack(arrays, words | {"layout": layout}))


def test_a_snapshot_of_an_unknown_layout_is_rebuilt_from_the_log_and_that_is_said(world, caplog):
    before = busy(world)
    rewrite(world, "other")
    with world.serving() as client:
        assert alike(forecasts(client), before)
        assert replayed(client) == 9
    message = f"another model or layout (other, this program writes {LAYOUT}); its states are rebuilt from the log"
    assert message in caplog.text


def test_a_snapshot_of_the_layout_before_is_read_and_an_array_that_it_lacks_starts_empty(world, monkeypatch):
    before = busy(world)
    rewrite(world, "before", without="halfway")
    monkeypatch.setattr(snapshot_store, "READABLE", (LAYOUT, "before"))
    with world.serving() as client:
        assert alike(forecasts(client), before)
        assert replayed(client) == 0
        target = client.app.state.runtime.directory.find("a")
        assert np.isinf(target.served.champion.states.read(target.series).state.halfway).all()


def test_a_snapshot_of_another_anchor_is_ignored(world):
    busy(world)
    world.promote(world.ingest("sensors"), BUNDLE, PANEL)  # the same model again, anchored after everything logged
    with world.serving() as client:
        assert client.get("/v1/series/a").json()["origin"] == "2023-11-14T22:10:00Z"


def test_a_flipped_bit_in_a_snapshot_costs_time_and_nothing_else(world):
    before = busy(world)
    with world.engine.begin() as connection:
        for row in connection.execute(select(tables.snapshots)).all():
            flipped = bytearray(row.blob)
            flipped[len(flipped) // 2] ^= 4
            where = (tables.snapshots.c.shard == row.shard, tables.snapshots.c.seq == row.seq)
            connection.execute(update(tables.snapshots).where(*where).values(blob=bytes(flipped)))
    with world.serving() as client:
        assert alike(forecasts(client), before)


def test_snapshots_are_written_while_the_service_runs(tmp_path):
    world = World.at(tmp_path, snapshot_every_s=0.05)
    dataset = world.ingest("sensors", *IDS)
    world.promote(dataset, BUNDLE, PANEL)
    with world.serving() as client:
        client.post("/v1/observations", json=rows("a", [1.0]))
        until(lambda: newest_position(world, dataset.id, shard=0) == 1)


def newest_position(world, dataset_id: int, shard: int) -> int | None:
    """The row of the log after which a shard's newest snapshot was written."""
    return next((kept.seq for kept in snapshot_store.newest(world.engine, dataset_id, 1) if kept.shard == shard), None)


actions = st.lists(
    st.one_of(
        st.tuples(
            st.just("row"),
            st.sampled_from(IDS),
            st.integers(-20, 10),
            st.sampled_from([1.0, 2.0, float("nan")]),
            st.sampled_from([None, None, "spike"]),
        ),
        st.tuples(st.just("snapshot"), st.integers(1, 4)),
        st.just(("restart",)),
    ),
    max_size=25,
)


@settings(max_examples=25)
@given(actions)
def test_killed_at_any_point_the_states_are_the_fold_of_the_log(tmp_path_factory, actions):
    """Snapshots of two rows each, passes cut short anywhere, restarts that remember nothing else; values are held."""
    world = World.at(tmp_path_factory.mktemp("killed"))
    dataset = world.ingest("sensors", *IDS)
    world.promote(dataset, BUNDLE, PANEL)
    promotion = promotions.served(world.engine, dataset.id)
    champion, _ = build_champion.build(world.engine, dataset, promotion)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoints, "SHARD", 2)
        for action in [*actions, ("restart",)]:
            if action[0] == "row":
                _, unique_id, step, value, verdict = action
                row = LoggedValue(dataset.id, world.number(dataset, unique_id), START + step * FIVE, value, START)
                verdicts = {0: verdict} if verdict else None
                row_as_stored = row._replace(y=None if value != value else value)
                (seq,) = observation_log.append(world.engine, [row_as_stored], verdicts=verdicts)
                columns = (np.array([one]) for one in (seq, row.series_id, row.ds, value, START, verdict))
                folding.take_in(world.engine, champion, Rows.of_log(Log(*columns), champion.grid))
            elif action[0] == "snapshot":
                one_pass = SnapshotPass(champion)
                any(not one_pass.step(world.engine) for _ in range(action[1]))
            else:
                champion, _ = build_champion.build(world.engine, dataset, promotion)
    with world.engine.begin() as connection:
        connection.execute(tables.snapshots.delete())
    plain, _ = build_champion.build(world.engine, dataset, promotion)
    for unique_id in IDS:
        one, other = (c.states.read(world.number(dataset, unique_id)) for c in (champion, plain))
        assert (one is None) == (other is None)
        if one is not None:
            assert one.sequence == other.sequence
            assert same_states(one.state, other.state)
    for unique_id in PANEL.ids:
        rolled = champion.states.read(world.number(dataset, unique_id)).state
        assert same_states(rolled, world.folded(dataset, BUNDLE, PANEL, unique_id))


def test_a_state_that_cannot_follow_says_so_and_is_tried_again_after_a_restart(world, monkeypatch):
    def broken(*_):
        raise FloatingPointError("no arithmetic can take this")

    with world.serving() as client:
        monkeypatch.setattr("forecasting.rolling.roller.Roller.fold", broken)
        answer = client.post("/v1/observations", json=rows("a", [1.0]))
        assert answer.json()["outcomes"] == ["applied"]  # it is stored
        body = client.get("/v1/series/a/forecast").json()
        assert (body["status"], body["flags"]) == ("degraded", ["stale"])
        assert client.get("/health/ready").json()["datasets"][0]["stale"] == 1
        assert client.get("/v1/series/b/forecast").json()["status"] == "ok"
    monkeypatch.undo()
    with world.serving() as client:
        body = client.get("/v1/series/a/forecast").json()
        assert (body["status"], body["sequence"]) == ("ok", 1)


def test_the_plain_model_restarts_bit_for_bit(tmp_path):
    """A baseline multiplies nothing in batches: equal to the last bit on any machine."""
    world, bundle = World.at(tmp_path), baseline(PANEL)
    dataset = world.ingest("sensors", *IDS)
    world.promote(dataset, bundle, PANEL)
    promotion = promotions.served(world.engine, dataset.id)
    with world.serving() as client:
        for step in range(20):
            client.post("/v1/observations", json=[*rows("a", [step * 0.1], step), *rows("b", [step / 3], step)])
        one = client.app.state.runtime.directory.find("a")
        state = one.served.champion.states.read(one.series).state
    with world.engine.begin() as connection:
        connection.execute(tables.snapshots.delete())
    champion, _ = build_champion.build(world.engine, dataset, promotion)
    again = champion.states.read(world.number(dataset, "a")).state
    assert all(np.array_equal(state.arrays[name], again.arrays[name]) for name in state.arrays)
