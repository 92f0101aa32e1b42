"""Corrections and late rows: whatever order rows come in, a state is the one that the sorted rows give."""

import threading

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from forecasting.kernel.determinism import rows_are_independent
from forecasting.kinds import model_of
from forecasting.panel import Panel
from forecasting.rolling.roller import Roller
from forecasting.rolling.state import RollingState
from states import folding
from states.model import RollingModel
from states.out_of_order import OutOfOrder
from tests.support.running_mean import running_mean
from tests.support.service_kit import (
    FIVE,
    START,
    World,
    baseline,
    network,
    panel_of,
    rows,
    same_states,
    stamp,
    until,
    wave,
)
from tests.support.symbol_kit import VOCABULARY, code_panel, symbol_baseline, symbol_network

FIRST = START // FIVE
PANEL = panel_of("a", "b")
MODELS = {
    "lstm": network(PANEL),
    "other": network(PANEL, seed=1),
    "naive": baseline(PANEL, "naive"),
    "running_mean": running_mean(PANEL),
}
CODES = code_panel("a", "b")
SYMBOL_MODELS = {
    "lstm": symbol_network(CODES),
    "gru": symbol_network(CODES, "gru"),
    "rnn": symbol_network(CODES, "rnn"),
    "last_symbol": symbol_baseline(CODES),
}
VALUES = st.sampled_from([1.0, 5.0, 9.0, 30.0, None])


def same(one: RollingState, other: RollingState) -> bool:
    """Bit for bit, where this machine's products allow it."""
    if rows_are_independent():
        return all(np.array_equal(one.arrays[name], other.arrays[name]) for name in one.arrays)
    return same_states(one, other)


def state_of(client, unique_id):
    target = client.app.state.runtime.directory.find(unique_id)
    return target.served.champion.states.read(target.series)


def snapshot(client):
    """Write every shard that moved, as the writer does between two batches once a minute."""
    writer = client.app.state.runtime._writer

    def write():
        for one in writer._begin_passes():
            while one.step(writer._engine):
                pass

    writer.ask(write).result(timeout=1500)


def replayed(client, reason="correction") -> float:
    wanted = f'rollcast_replay_steps_total{{reason="{reason}"}}'
    found = [line for line in client.get("/metrics").text.splitlines() if line.startswith(wanted)]
    return float(found[0].split()[-1]) if found else 0.0


def post(client, sent):
    answer = client.post("/v1/observations", json=sent)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture(params=["sqlite", "postgres"])
def world(request, tmp_path):
    world = World.at(tmp_path, request.getfixturevalue("postgres_url") if request.param == "postgres" else "")
    world.promote(world.ingest("sensors", "a", "b"), MODELS["lstm"], PANEL)
    return world


class Plain:
    """One series as a reader would define it: sort what is known, read it once."""

    def __init__(self, values: dict[int, float | None]):
        self.values = dict(values)  # by step after START; None: known to be missing
        self.context: np.ndarray | None = None
        self.origin = 0

    def promote(self, length: int) -> None:
        """The anchor: the last `length` steps known now."""
        if self.values:
            self.origin = max(self.values)
            steps = range(self.origin - length + 1, self.origin + 1)
            self.context = np.array([self.values.get(step, np.nan) for step in steps], np.float64)

    def state(self, roller: RollingModel) -> RollingState:
        current = {step: np.nan if y is None else y for step, y in sorted(self.values.items())}
        state, after = roller.empty(1), -(10**9)
        if self.context is not None:
            context, after = self.context.copy(), self.origin
            for step, y in current.items():
                if after - len(context) < step <= after:
                    context[step - after - 1] = y
            state = roller.start(context[None], np.array([after + FIRST]))
        for step, y in current.items():
            if step > after:
                roller.fold(state, np.array([0]), np.array([step + FIRST]), np.array([y]))
        return state


PLACES = st.integers(0, len(MODELS) - 1)  # of a model, in the order of their names


class AnyOrder(RuleBasedStateMachine):
    """The service against the plain model, over everything that may happen to it."""

    folder, models, vocabulary, known = None, MODELS, None, wave(200)

    @initialize(model=PLACES)
    def begin(self, model):
        self.world = World.at(AnyOrder.folder.mktemp("order"))
        self.dataset = self.world.ingest("sensors", "a", "new", vocabulary=self.vocabulary)
        self.plain = {"a": Plain({step: float(y) for step, y in zip(range(-200, 0), self.known, strict=True)})}
        self.plain["new"] = Plain({})
        self.service = None
        self.promote(model)
        self.start()

    def start(self):
        self.service = self.world.serving()
        self.client = self.service.__enter__()

    def teardown(self):
        if getattr(self, "service", None) is not None:
            self.service.__exit__(None, None, None)
            self.world.engine.dispose()

    def observe(self, one, sent):
        """Rows of one series; the plain model takes each as it comes."""
        if one == "new" and not any(y is not None for y in self.plain[one].values.values()):
            sent = {step: 2.0 if y is None else y for step, y in sent.items()}  # its first row anchors it
        expected = ["applied", "duplicate", "corrected", "late"]
        answer = post(self.client, [self.row(one, step, y) for step, y in sent.items()])
        assert set(answer["outcomes"]) <= set(expected)
        self.plain[one].values.update(sent)

    def row(self, one, step, y):
        """A row as a client sends it: a number, or the symbol of a code."""
        y = y if self.vocabulary is None or y is None else self.vocabulary[int(y)]
        return {"unique_id": one, "ds": stamp(step), "y": y}

    def end(self, one):
        return max(self.plain[one].values, default=-1)

    @rule(
        one=st.sampled_from(["a", "new"]),
        gap=st.sampled_from([1, 1, 1, 2, 5, 30]),
        ys=st.lists(VALUES, min_size=1, max_size=4),
    )
    def newer(self, one, gap, ys):
        self.observe(one, {self.end(one) + gap + i: y for i, y in enumerate(ys)})

    @rule(one=st.sampled_from(["a", "new"]), back=st.lists(st.integers(0, 60), min_size=1, max_size=4), y=VALUES)
    def correct_or_come_late(self, one, back, y):
        if self.plain[one].values:
            self.observe(one, {self.end(one) - i: y for i in back})

    @rule(one=st.sampled_from(["a", "new"]), back=st.integers(0, 20))
    def send_again(self, one, back):
        step = self.end(one) - back
        if step in self.plain[one].values:
            before = state_of(self.client, one)
            sent = self.row(one, step, self.plain[one].values[step])
            assert post(self.client, [sent])["outcomes"] in (["duplicate"], ["late"])
            if before is not None:
                assert same(state_of(self.client, one).state, before.state)

    @rule()
    def snapshot(self):
        snapshot(self.client)

    @rule()
    def restart(self):
        self.service.__exit__(None, None, None)
        self.start()

    @precondition(lambda self: self.service is not None)
    @rule(model=PLACES)
    def promote(self, model):
        self.model = self.models[sorted(self.models)[model]]
        known = {one: plain for one, plain in self.plain.items() if plain.values}
        values = []
        for plain in known.values():
            steps = range(min(plain.values), max(plain.values) + 1)
            held = (plain.values.get(step) for step in steps)
            values.append(np.array([np.nan if y is None else y for y in held], np.float64))
        firsts = np.array([min(plain.values) + FIRST for plain in known.values()])
        panel = Panel.of(values, list(known), firsts)
        promotion_id = self.world.promote(self.dataset, self.model, panel)
        for plain in known.values():
            plain.promote(self.model.config.context)
        if self.service is not None:
            served = self.client.app.state.runtime.directory.datasets["sensors"]
            until(lambda: served.champion.promotion_id == promotion_id)

    @invariant()
    def every_state_is_that_of_the_sorted_rows(self):
        if getattr(self, "service", None) is None:
            return
        roller = model_of(self.model)
        for one, plain in self.plain.items():
            row = state_of(self.client, one)
            if row is None:
                assert plain.state(roller).blank(np.array([0]))[0]  # no value yet, or none in the context
                continue
            assert not row.stale
            assert same(row.state, plain.state(roller))


@pytest.mark.usefixtures("second_model")
def test_fault_25_any_order_of_arrival_gives_the_state_of_the_sorted_rows(tmp_path_factory):
    AnyOrder.folder = tmp_path_factory
    AnyOrder.TestCase.settings = settings(max_examples=12, stateful_step_count=12, deadline=None)
    AnyOrder.TestCase("runTest").runTest()


class AnyOrderOfSymbols(AnyOrder):
    """The same where values are symbols."""

    models, vocabulary, known = SYMBOL_MODELS, VOCABULARY, CODES.series(0)


def test_fault_25_any_order_of_symbols_gives_the_state_of_the_sorted_rows(tmp_path_factory):
    AnyOrder.folder = tmp_path_factory
    AnyOrderOfSymbols.TestCase.settings = settings(max_examples=12, stateful_step_count=12, deadline=None)
    AnyOrderOfSymbols.TestCase("runTest").runTest()


def test_a_correction_reads_the_log_from_the_newest_snapshot_before_it(world):
    with world.serving() as client:
        for step in range(0, 40, 10):
            post(client, rows("a", [float(step + i) for i in range(10)], step))
            snapshot(client)
        post(client, rows("a", [0.0], first=33))
        assert replayed(client) == 11  # the ten rows after step 29, and the correction itself
        post(client, rows("a", [0.0], first=12))
        assert replayed(client) == 11 + 32  # the thirty rows after step 9, and both corrections
        assert same(state_of(client, "a").state, world.folded(world.ingest("sensors"), MODELS["lstm"], PANEL, "a"))


def test_corrections_of_one_series_in_one_request_are_one_replay(world):
    with world.serving() as client:
        post(client, rows("a", [float(i) for i in range(20)]))
        sent = [*rows("a", [0.5], 3), *rows("a", [0.5], 9), *rows("a", [0.5, 0.5], 19)]
        assert post(client, sent)["outcomes"] == ["corrected"] * 3 + ["applied"]
        assert replayed(client) == 24  # twenty rows and the four of this request, once
        assert same(state_of(client, "a").state, world.folded(world.ingest("sensors"), MODELS["lstm"], PANEL, "a"))


def test_snapshots_that_a_correction_has_overtaken_are_not_started_from(world):
    with world.serving() as client:
        post(client, rows("a", [float(i) for i in range(10)]))
        snapshot(client)
        post(client, rows("a", [0.0], first=4))  # the snapshot still says 4.0
        post(client, rows("a", [0.0], first=10))
        post(client, rows("a", [1.0], first=10))
        assert same(state_of(client, "a").state, world.folded(world.ingest("sensors"), MODELS["lstm"], PANEL, "a"))
    with world.serving() as client:  # and a restart knows it too
        post(client, rows("a", [2.0], first=10))
        assert same(state_of(client, "a").state, world.folded(world.ingest("sensors"), MODELS["lstm"], PANEL, "a"))


def test_a_correction_beyond_the_bound_is_flagged_until_it_is_folded_in_the_background(world, monkeypatch):
    monkeypatch.setattr(folding, "REPLAY", 5)
    released, replay = threading.Event(), folding.replay

    def held(*arguments):
        if threading.current_thread().name == "rollcast-rebuilder":
            assert released.wait(300)
        return replay(*arguments)

    monkeypatch.setattr(folding, "replay", held)
    with world.serving() as client:
        post(client, rows("a", [float(i) for i in range(10)]))
        assert client.get("/v1/series/a/forecast").json()["flags"] == []
        before = client.get("/v1/series/a/forecast").headers["etag"]
        assert post(client, rows("a", [0.0], first=2))["outcomes"] == ["corrected"]
        body = client.get("/v1/series/a/forecast")
        assert (body.json()["status"], body.json()["flags"]) == ("degraded", ["stale"])
        assert body.headers["etag"] != before
        assert "rollcast_series_stale 1.0" in client.get("/metrics").text
        assert post(client, rows("a", [10.0], first=10))["outcomes"] == ["applied"]  # it rolls on meanwhile
        assert post(client, rows("a", [1.0], first=3))["outcomes"] == ["corrected"]  # and is corrected once more
        assert "stale" in client.get("/v1/series/a/forecast").json()["flags"]
        assert client.get("/v1/series/b/forecast").json()["status"] == "ok"
        released.set()
        until(lambda: client.get("/v1/series/a/forecast").json()["flags"] == [])
        assert "rollcast_series_stale 0.0" in client.get("/metrics").text
        assert replayed(client, "rebuild") > 0
        assert same(state_of(client, "a").state, world.folded(world.ingest("sensors"), MODELS["lstm"], PANEL, "a"))


def test_a_series_that_was_stale_when_the_service_stopped_is_folded_after_the_restart(world, monkeypatch):
    monkeypatch.setattr(folding, "REPLAY", 5)
    mend = monkeypatch.setattr("service.background.rebuilder.Rebuilder._rebuild", lambda *_: None)
    with world.serving() as client:
        post(client, rows("a", [float(i) for i in range(10)]))
        post(client, rows("a", [0.0], first=2))
        assert client.get("/v1/series/a/forecast").json()["flags"] == ["stale"]
    with world.serving() as client:
        assert client.get("/v1/series/a/forecast").json()["flags"] == ["stale"]
    assert mend is None
    monkeypatch.undo()
    with world.serving() as client:
        until(lambda: client.get("/v1/series/a/forecast").json()["flags"] == [])
        assert same(state_of(client, "a").state, world.folded(world.ingest("sensors"), MODELS["lstm"], PANEL, "a"))


def test_later_values_do_not_hide_that_one_could_not_be_folded(world, monkeypatch):
    fold = Roller.fold

    def refuses(self, state, own, steps, values, *more, **named):
        if (values == 13.0).any():
            raise FloatingPointError("no arithmetic can take this")
        return fold(self, state, own, steps, values, *more, **named)

    monkeypatch.setattr(Roller, "fold", refuses)
    with world.serving() as client:
        post(client, rows("a", [13.0]))
        post(client, rows("a", [1.0], first=1))
        assert "stale" in client.get("/v1/series/a/forecast").json()["flags"]
        post(client, rows("a", [12.0]))  # corrected: now everything can be folded
        assert client.get("/v1/series/a/forecast").json()["flags"] == []


def test_of_two_changes_the_later_and_earlier_one_decides_what_still_holds():
    out_of_order = OutOfOrder()
    out_of_order.note(np.array([7, 7, 7]), np.array([50, 20, 30]), np.array([100, 200, 300]))
    assert out_of_order.holds(7, seq=300, origin=99)  # nothing came after it
    assert out_of_order.holds(7, seq=250, origin=29) and not out_of_order.holds(7, seq=250, origin=30)
    assert out_of_order.holds(7, seq=150, origin=19) and not out_of_order.holds(7, seq=150, origin=20)
    assert not out_of_order.holds(7, seq=50, origin=20)
    assert out_of_order.holds(8, seq=0, origin=99)
    again = OutOfOrder()
    again.unpack(out_of_order.pack(np.array([7, 8])))
    assert not again.holds(7, seq=150, origin=20) and again.holds(7, seq=150, origin=19)


def test_a_long_staircase_is_too_strict_rather_than_too_lax():
    out_of_order = OutOfOrder()
    series = np.full(100, 1)
    out_of_order.note(series, np.arange(100), np.arange(100) + 1)
    assert len(out_of_order.pack(np.array([1]))) <= 32
    for seq in range(100):
        assert not out_of_order.holds(1, seq, origin=seq)  # row seq + 1 changed step seq
    assert out_of_order.holds(1, 99, origin=98)
