"""Every scored forecast of a series is stored once, as it was when it was made."""

import numpy as np
import pytest
from sqlalchemy import select

from data.history import vintage_table
from data.store import observation_log, promotions, tables
from data.store.observation_log import LoggedValue
from forecasting.kinds import model_of
from forecasting.rolling.vintages import LEVELS
from states import build_champion, folding
from states.snapshots import SnapshotPass
from states.views import vintages
from tests.support.service_kit import FIVE, HORIZON, START, World, network, panel_of

IDS = ("a", "b")
PANEL = panel_of(*IDS)
BUNDLE = network(PANEL)
ROLLER = model_of(BUNDLE)


class Fed:
    """A store, the champion that follows its log, and the forecasts that a sound service gave after every value."""

    def __init__(self, world: World) -> None:
        self.world, self.dataset = world, world.ingest("sensors", *IDS)
        world.promote(self.dataset, BUNDLE, PANEL)
        self.numbers = {name: world.number(self.dataset, name) for name in IDS}
        self.restart()

    def restart(self) -> None:
        promotion = promotions.served(self.world.engine, self.dataset.id)
        self.champion, _ = build_champion.build(self.world.engine, self.dataset, promotion)

    def log(self, name: str, *values: tuple[int, float]) -> list[int]:
        rows = [LoggedValue(self.dataset.id, self.numbers[name], START + s * FIVE, y, START + s) for s, y in values]
        return observation_log.append(self.world.engine, rows)

    def observe(self, name: str, *values: tuple[int, float]) -> np.ndarray:
        """Store values, take them in, and return the forecast at LEVELS from then on."""
        self.log(name, *values)
        folding.catch_up(self.world.engine, self.champion)
        return self.forecast(name)

    def forecast(self, name: str) -> np.ndarray:
        row = self.champion.states.read(self.numbers[name])
        levels = [BUNDLE.config.levels.index(q) for q in LEVELS]
        return ROLLER.forecast(row.state, np.array([0]))[0].T[levels].astype(np.float32)

    def snapshot(self) -> None:
        one_pass = SnapshotPass(self.champion)
        while one_pass.step(self.world.engine):
            pass

    def stored(self, name: str) -> dict[int, np.ndarray]:
        """Quantiles by origin, in steps after START; the first origin is -1."""
        found = vintage_table.page(self.world.engine, self.numbers[name], [1], None, None, 1000)
        return {(own.origin - START) // FIVE: own.quantiles for own in found}


@pytest.fixture
def fed(tmp_path) -> Fed:
    return Fed(World.at(tmp_path))


def test_a_vintage_is_the_forecast_that_was_answered_at_its_origin(fed):
    answered = {-1: fed.forecast("a")}
    for step in range(2 * HORIZON + 1):
        answered[step] = fed.observe("a", (step, 10 + np.sin(step)))
    fed.snapshot()
    stored = fed.stored("a")
    assert list(stored) == [2 * HORIZON - 1, HORIZON - 1, -1]  # one opens when the one before has all its values
    assert all(np.allclose(stored[origin], answered[origin], rtol=1e-6) for origin in stored)
    assert list(fed.stored("b")) == [-1]


def test_values_that_come_together_open_the_same_vintages_as_one_by_one(fed):
    values = [(step, 10 + np.sin(step)) for step in range(3 * HORIZON)]
    for value in values:
        fed.observe("a", value)
    fed.observe("b", *values)
    fed.snapshot()
    assert list(fed.stored("a")) == list(fed.stored("b")) == [3 * HORIZON - 1, 2 * HORIZON - 1, HORIZON - 1, -1]


def test_rows_of_several_blocks_are_told_apart():
    """The rows of a fold are rolled in blocks by threads, here only every second row of the state."""
    many, steps, chosen = 2000, 2 * HORIZON + 1, np.arange(0, 2000, 2)
    context = 10 + np.random.default_rng(0).normal(size=(many, BUNDLE.config.context))
    together, alone = (ROLLER.start(context, np.full(many, -1)) for _ in range(2))
    rows = np.repeat(chosen, steps)
    at, values = np.tile(np.arange(steps), len(chosen)), np.random.default_rng(1).normal(10, 1, len(rows))
    ledger = ROLLER.ledger(many)
    ROLLER.fold(together, rows, at, values, ledger, values)
    closed = {(row, origin): q for part in ledger.closed for row, origin, q in zip(*part, strict=True)}
    assert sorted(closed) == [(row, origin) for row in chosen.tolist() for origin in (-1, HORIZON - 1)]
    for row in (0, 998, 1998):
        own = ROLLER.ledger(many)
        mine = rows == row
        ROLLER.fold(alone, rows[mine], at[mine], values[mine], own, values[mine])
        for part in own.closed:
            for _, origin, quantiles in zip(*part, strict=True):
                assert np.allclose(quantiles, closed[row, origin], rtol=1e-5)


def test_a_correction_does_not_change_what_was_forecast_before_it(fed):
    answered = [fed.observe("a", (step, 10.0 + step)) for step in range(HORIZON)]
    fed.observe("a", (HORIZON - 1, 99.0))  # the origin of the vintage that is open and not stored yet
    fed.snapshot()
    assert np.allclose(fed.stored("a")[HORIZON - 1], answered[-1], rtol=1e-6)
    fed.observe("a", (2, 50.0))
    fed.snapshot()
    assert np.allclose(fed.stored("a")[HORIZON - 1], answered[-1], rtol=1e-6)


def test_after_a_kill_the_log_is_read_on_and_the_same_vintages_are_stored(fed):
    fed.observe("a", *((step, 10 + np.sin(step)) for step in range(4)))
    fed.snapshot()
    answered = {}
    for step in range(4, 3 * HORIZON):
        answered[step] = fed.observe("a", (step, 10 + np.sin(step)))
    fed.restart()  # nothing of it was stored
    fed.snapshot()
    stored = fed.stored("a")
    assert list(stored) == [3 * HORIZON - 1, 2 * HORIZON - 1, HORIZON - 1, -1]
    for origin in (HORIZON - 1, 2 * HORIZON - 1, 3 * HORIZON - 1):
        assert np.allclose(stored[origin], answered[origin], rtol=1e-5)


def test_a_vintage_that_is_corrected_and_stored_is_not_stored_again_after_a_restart(fed):
    for step in range(HORIZON):
        fed.observe("a", (step, 10.0))
    fed.observe("a", (HORIZON - 1, 12.0))
    fed.snapshot()
    before = fed.stored("a")
    fed.restart()
    fed.observe("a", (HORIZON, 10.0))
    fed.snapshot()
    assert {origin: q.tolist() for origin, q in fed.stored("a").items()} == {o: q.tolist() for o, q in before.items()}


def test_a_vintage_that_a_silence_cuts_short_is_stored(fed):
    fed.observe("a", (0, 10.0))
    window = BUNDLE.config.window
    fed.observe("a", (window + 20, 10.0))  # the state begins anew with it
    fed.snapshot()
    assert -1 in fed.stored("a")


def test_a_missing_value_after_a_silence_does_not_move_the_origin(fed):
    fed.observe("a", (0, 10.0))
    fed.observe("a", (500, float("nan")))
    fed.snapshot()
    assert min(fed.stored("a")) == -1
    assert [origin for origin in fed.stored("a") if -1 < origin < 400] == []


def test_each_vintage_says_with_which_row_it_was_made(fed):
    fed.log("b", *((step, 10.0) for step in range(HORIZON)))
    sequences = fed.log("a", *((step, 10.0) for step in range(HORIZON)))
    folding.catch_up(fed.world.engine, fed.champion)
    fed.snapshot()
    newest, first = vintage_table.page(fed.world.engine, fed.numbers["a"], [1], None, None, 10)
    assert (newest.seq, newest.opened_at) == (sequences[-1], START + HORIZON)  # times of the log rise from row to row
    assert (first.seq, first.opened_at) == (fed.champion.anchor_seq, fed.champion.decided_at)
    assert newest.ds.tolist() == [START + step * FIVE for step in range(HORIZON, 2 * HORIZON)]


def test_a_champion_that_is_replaced_leaves_its_vintages_behind(fed):
    fed.observe("a", *((step, 10.0) for step in range(2 * HORIZON)))
    vintages.write_all(fed.world.engine, fed.champion)
    assert list(fed.stored("a")) == [2 * HORIZON - 1, HORIZON - 1, -1]
    with fed.world.engine.begin() as connection:
        assert connection.execute(select(tables.snapshots.c.seq)).all() == []


def test_a_model_that_only_rolls_in_shadow_stores_none(fed):
    fed.observe("a", *((step, 10.0) for step in range(2 * HORIZON)))
    one_pass = SnapshotPass(fed.champion, vintages=False)
    while one_pass.step(fed.world.engine):
        pass
    assert fed.stored("a") == {}


def test_vintages_that_cannot_be_stored_keep_no_state_from_being_stored(fed, monkeypatch):
    def broken(*_):
        raise ValueError("no text of this")

    fed.observe("a", (0, 10.0))
    with monkeypatch.context() as patch:
        patch.setattr(vintage_table, "put", broken)
        fed.snapshot()
    with fed.world.engine.begin() as connection:
        assert 1 in connection.scalars(select(tables.snapshots.c.seq)).all()
    assert fed.stored("a") == {}
    fed.observe("a", (1, 10.0))
    fed.snapshot()
    assert list(fed.stored("a")) == [-1]
