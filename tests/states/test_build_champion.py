"""Some series, at any moment, from any snapshots: their states are the fold of the log over their contexts."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.store import observation_log, promotions, snapshot_store, tables
from data.store.catalogue import Dataset
from data.store.observation_log import Log, LoggedValue
from forecasting.kernel.packing import pack, unpack
from forecasting.rolling.state import RollingState
from states import build_champion, checkpoints, folding
from states.contexts import Contexts
from states.rows import Rows
from states.snapshots import SnapshotPass
from tests.support.service_kit import FIVE, START, World, network, panel_of, same_states

IDS = ("a", "b", "c", "new")
PANEL = panel_of("a", "b", "c")
BUNDLE = network(PANEL)


@dataclass
class Plant:
    """A dataset whose champion takes in rows, and writes snapshots when a test says so."""

    world: World
    dataset: Dataset
    under_way: SnapshotPass | None = None

    @classmethod
    def at(cls, folder) -> "Plant":
        world = World.at(folder)
        dataset = world.ingest("plant", *IDS)
        world.promote(dataset, BUNDLE, PANEL)
        plant = cls(world, dataset)
        plant.champion, _ = build_champion.build(world.engine, dataset, promotions.served(world.engine, dataset.id))
        return plant

    @property
    def seq(self) -> int:
        return observation_log.last_seq(self.world.engine, self.dataset.id)

    def tell(self, unique_id: str, step: int, value: float) -> None:
        """One row of the log, `step` five-minute steps after START; NaN is a missing value."""
        row = LoggedValue(
            self.dataset.id, self.world.number(self.dataset, unique_id), START + step * FIVE, value, START
        )
        (seq,) = observation_log.append(self.world.engine, [row._replace(y=None if value != value else value)])
        rows = Rows(*(np.array([item]) for item in (row.series_id, World.step(step), value, seq, value, START, 0)))
        folding.take_in(self.world.engine, self.champion, rows)

    def snapshot(self, blocks: int = 9) -> None:
        """Write so many more blocks of the states that moved, and the marker when that was all."""
        for _ in range(blocks):
            self.under_way = self.under_way or SnapshotPass(self.champion)
            if not self.under_way.step(self.world.engine):
                self.under_way = None
                return

    def states(self, *ids: str, seq: int | None = None) -> RollingState:
        """Of some series, as after row `seq` of the log, built anew from what is stored; blank where one has none."""
        engine, upto = self.world.engine, self.seq if seq is None else seq
        numbers = np.sort([self.world.number(self.dataset, name) for name in ids or IDS])
        anchored = build_champion.load(engine, self.dataset, promotions.served(engine, self.dataset.id))

        def read_log(after: int, series: np.ndarray) -> Log:
            return observation_log.log(engine, self.dataset.id, after, upto, series.tolist())

        champion, _ = build_champion.restore(engine, anchored, read_log, numbers, upto)
        folding.rebuild_deferred(engine, champion)
        champion.states.ensure(numbers)
        return champion.states.copy(champion.states.rows_of(numbers))[0]

    def is_folded(self, unique_id: str) -> bool:
        """Is its state the fold of what the log says?"""
        plain = self.world.folded(self.dataset, BUNDLE, PANEL, unique_id)
        return same_states(self.states(unique_id), plain)


@pytest.fixture
def plant(tmp_path) -> Plant:
    """Snapshots that know three values of "a" and of "b"."""
    made = Plant.at(tmp_path)
    for step in range(3):
        made.tell("a", step, 9 - step)
        made.tell("b", step, 5 + step)
    made.snapshot()
    return made


def test_a_snapshot_is_taken_up_without_a_look_at_the_contexts(plant, monkeypatch):
    monkeypatch.setattr(Contexts, "take", lambda *_: pytest.fail("a series was read from its context"))
    plant.tell("a", 3, 6.0)
    assert plant.is_folded("a")
    assert plant.is_folded("b")


@pytest.mark.parametrize(("step", "value"), [(1, 99.0), (-5, 99.0)], ids=["of the log", "of the context"])
def test_a_correction_after_the_snapshot_is_told_from_the_beginning(plant, step, value):
    plant.tell("a", step, value)
    assert plant.is_folded("a")


def test_a_series_that_no_context_knows_begins_with_the_log(plant):
    assert not plant.states("new").observed[0]
    plant.tell("new", 0, 7.0)
    assert plant.is_folded("a")
    assert (plant.states("new").observed[0], plant.states("new").ring[0, -1]) == (1, 7.0)


def test_a_snapshot_of_another_model_a_stale_one_and_a_damaged_one_are_passed_over(plant):
    engine, dataset, anchor_id = plant.world.engine, plant.dataset.id, plant.champion.promotion_id
    (seq,) = snapshot_store.positions(engine, dataset, anchor_id)[0]
    arrays, words = unpack(snapshot_store.read(engine, dataset, anchor_id, 0, seq))
    arrays["ring"] += 1
    stale = arrays | {"stale": np.ones_like(arrays["stale"])}
    for blob in (pack(arrays, words | {"fingerprint": "another"}), pack(stale, words), pack(arrays, words)[:-1] + b"?"):
        snapshot_store.put(engine, dataset, anchor_id, 0, seq, blob)
        assert plant.is_folded("a")


def test_of_a_moment_that_has_passed_nothing_later_is_known(plant):
    then = plant.seq
    plant.tell("a", 3, 50.0)
    plant.snapshot()
    assert plant.states("a", seq=then).ring[0, -1] == 7.0
    assert plant.states("a").ring[0, -1] == 50.0


def test_a_correction_that_is_replayed_at_a_passed_moment_reads_no_later_row(plant):
    plant.tell("a", 1, 99.0)
    then = plant.seq
    plant.tell("a", 3, 50.0)
    assert plant.states("a", seq=then).ring[0, -3:].tolist() == [9.0, 99.0, 7.0]


told = st.tuples(st.sampled_from(IDS), st.integers(-20, 10), st.sampled_from([1.0, 2.0, float("nan")]))


@settings(max_examples=10)
@given(st.lists(st.one_of(told, st.integers(1, 4)), max_size=20), st.integers(0, 8))
def test_from_any_snapshots_at_any_moment_the_states_are_those_told_from_the_beginning(tmp_path_factory, actions, back):
    """A number stands for so many blocks of two series that a snapshot pass writes, with rows between them."""
    plant = Plant.at(tmp_path_factory.mktemp("plant"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoints, "SHARD", 2)
        for action in actions:
            plant.snapshot(action) if isinstance(action, int) else plant.tell(*action)
        moments = (plant.seq, max(0, plant.seq - back))
        warm = [plant.states(seq=seq) for seq in moments]
        with plant.world.engine.begin() as connection:
            connection.execute(tables.snapshots.delete())
        assert all(same_states(one, plant.states(seq=seq)) for one, seq in zip(warm, moments, strict=True))
    assert all(plant.is_folded(one) for one in PANEL.ids)
