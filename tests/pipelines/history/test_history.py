"""Values of the lake and of the live log become one panel; of two for the same time, the one learnt last counts."""

import random
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from data.errors import Conflict, InvalidInput, Unavailable
from data.store import observation_log
from data.store.database import writing
from forecasting.panel import Panel
from pipelines.history.cells import Windows, read_values
from pipelines.history.ends import NEVER, read_ends
from pipelines.history.history import History, read_history, read_history_as_of, read_tails
from pipelines.history.moment import newest_moment
from pipelines.training.train import TrainRequest, train
from tests.support.history_kit import Plant, Row
from tests.support.loop_kit import no_progress

NAN = float("nan")


@pytest.fixture
def plant(tmp_path, monkeypatch) -> Plant:
    return Plant.at(tmp_path, monkeypatch)


def series(plant: Plant) -> dict[str, list[float]]:
    """The values of each series of the history."""
    panel = read_history(plant.workspace, "plant").panel
    return {name: panel.series(i).tolist() for i, name in enumerate(panel.ids)}


def same(first: Panel, second: Panel) -> bool:
    """Whether two panels have the same series, steps and values."""
    arrays = [(first.values, second.values), (first.offsets, second.offsets), (first.first, second.first)]
    return first.ids == second.ids and all(np.array_equal(a, b, equal_nan=True) for a, b in arrays)


# --- values -----------------------------------------------------------------------------------------------------------


def test_gaps_become_missing_values_on_the_grid(plant):
    plant.store(10, ("a", 3, 1.0), ("a", 6, 2.0), ("b", 5, 7.0))
    panel = read_history(plant.workspace, "plant").panel
    assert panel.ids == ("a", "b")
    np.testing.assert_array_equal(panel.series(0), [1.0, NAN, NAN, 2.0])
    np.testing.assert_array_equal(panel.series(1), [7.0])
    assert panel.first.tolist() == [3, 5]
    assert panel.last.tolist() == [6, 5]


def test_a_series_begins_and_ends_with_a_value_and_one_without_any_is_left_out(plant):
    plant.store(10, ("a", 1, None), ("a", 2, 2.0), ("a", 3, None), ("a", 4, 4.0), ("a", 5, None), ("b", 1, None))
    history = read_history(plant.workspace, "plant")
    assert history.series.tolist() == [plant.numbers["a"]]
    assert history.panel.first.tolist() == [2]
    np.testing.assert_array_equal(history.panel.values, [2.0, NAN, 4.0])


def test_a_dataset_without_a_value_is_a_conflict(plant):
    for _ in range(2):
        with pytest.raises(Conflict, match="holds no values yet"):
            read_history(plant.workspace, "plant")
        with pytest.raises(Conflict, match="holds no values yet"):
            read_tails(plant.workspace, "plant", 3)
        plant.store(10, ("a", 1, None))


def test_a_live_value_learnt_later_replaces_the_stored_one(plant):
    plant.store(10, ("a", 1, 1.0), ("a", 2, 2.0))
    plant.log(20, ("a", 2, 9.0))
    assert series(plant) == {"a": [1.0, 9.0]}


def test_a_stored_value_learnt_later_replaces_the_live_one(plant):
    plant.log(20, ("a", 2, 9.0))
    plant.store(30, ("a", 1, 1.0), ("a", 2, 2.0))
    assert series(plant) == {"a": [1.0, 2.0]}


def test_of_a_stored_and_a_live_value_of_one_microsecond_the_live_one_counts(plant):
    plant.store(20, ("a", 1, 1.0))
    plant.log(20, ("a", 1, 8.0), ("a", 1, 9.0))
    assert series(plant) == {"a": [9.0]}


def test_a_withdrawn_value_is_missing(plant):
    plant.store(10, ("a", 1, 1.0), ("a", 2, 2.0), ("a", 3, 3.0))
    plant.log(20, ("a", 2, None))
    np.testing.assert_array_equal(series(plant)["a"], [1.0, NAN, 3.0])


def test_a_value_in_quarantine_is_missing_and_its_correction_is_not(plant):
    plant.store(10, ("a", 1, 1.0), ("a", 2, 2000.0), ("a", 3, 3000.0), ("a", 4, 4.0))
    plant.hold("a", 2, 2000.0)
    plant.hold("a", 3, 3000.0)
    plant.log(20, ("a", 3, 3.0))
    np.testing.assert_array_equal(series(plant)["a"], [1.0, NAN, 3.0, 4.0])


# --- parts of the source's split --------------------------------------------------------------------------------------


def parts(tmp_path, monkeypatch, fill: Callable[[Plant], object]) -> dict[str, list[int]]:
    """Lengths of the parts of a history with a split."""
    plant = Plant.at(tmp_path, monkeypatch, has_split=True)
    fill(plant)
    splits = read_history(plant.workspace, "plant").splits
    assert splits is not None
    return {part: lengths.tolist() for part, lengths in splits.items()}


def test_parts_of_a_split_follow_one_another(tmp_path, monkeypatch):
    rows: list[Row] = [("a", step, float(step)) for step in range(1, 8)]
    split = ["train", "train", "train", "val", "test", "test", "unused"]
    found = parts(tmp_path, monkeypatch, lambda plant: plant.store(10, *rows, split=split))
    assert found == {"train": [3], "val": [1], "test": [2]}


def test_a_missing_step_between_two_parts_counts_to_the_later_one(tmp_path, monkeypatch):
    rows: list[Row] = [("a", 1, 1.0), ("a", 3, 3.0), ("b", 1, 1.0)]
    found = parts(tmp_path, monkeypatch, lambda plant: plant.store(10, *rows, split=["train", "test", "train"]))
    assert found == {"train": [1, 1], "val": [0, 0], "test": [2, 0]}


def test_a_correction_stays_in_its_split(tmp_path, monkeypatch):
    def fill(plant: Plant) -> None:
        plant.store(10, ("a", 1, 1.0), ("a", 2, 2.0), split=["train", "test"])
        plant.log(20, ("a", 1, 9.0), ("a", 2, 9.0), ("a", 3, 9.0))
        plant.hand_off()

    assert parts(tmp_path, monkeypatch, fill) == {"train": [1], "val": [0], "test": [1]}


# --- tails ------------------------------------------------------------------------------------------------------------


def test_tails_are_the_last_steps_of_each_series(plant):
    plant.store(10, *(("a", step, float(step)) for step in range(1, 9)), ("b", 3, 30.0), ("b", 5, 50.0))
    tails = read_tails(plant.workspace, "plant", 4)
    np.testing.assert_array_equal(tails.values, [[5.0, 6.0, 7.0, 8.0], [NAN, 30.0, NAN, 50.0]])
    assert (tails.ids, tails.last.tolist()) == (("a", "b"), [8, 5])


def test_rows_without_a_value_at_the_end_of_a_file_move_no_end_however_many(plant):
    empty: list[Row] = [("a", step, None) for step in range(4, 304)]
    plant.store(10, ("a", 1, 1.0), ("a", 2, 2.0), ("a", 3, 3.0), *empty, ("b", 303, 9.0), ("c", 7, None))
    tails = read_tails(plant.workspace, "plant", 3)
    np.testing.assert_array_equal(tails.values, [[1.0, 2.0, 3.0], [NAN, NAN, 9.0]])
    assert (tails.ids, tails.last.tolist()) == (("a", "b"), [3, 303])


def test_a_missing_step_that_came_live_moves_the_end_as_long_as_a_value_is_within_reach(plant):
    plant.store(10, ("a", 1, 1.0), ("b", 1, 1.0))
    plant.log(20, ("a", 2, None), ("a", 3, None), *(("b", step, None) for step in range(2, 10)))
    tails = read_tails(plant.workspace, "plant", 4)
    np.testing.assert_array_equal(tails.values, [[NAN, 1.0, NAN, NAN], [1.0, NAN, NAN, NAN]])
    assert tails.last.tolist() == [3, 4]


@pytest.mark.parametrize("seed", range(12))
def test_irregular_histories_are_read_as_a_plain_program_reads_them(tmp_path, monkeypatch, seed):
    """Gaps, different ends, corrections in lake and log, splits and quarantine, against a dictionary of rows."""
    draw, plant = random.Random(seed), Plant.at(tmp_path, monkeypatch, has_split=True)
    fill_at_random(plant, draw)
    expected, split = plain_history(plant)
    history = read_history(plant.workspace, "plant")
    assert same(history.panel, expected)
    assert {part: own.tolist() for part, own in history.splits.items()} == plain_parts(expected, split)
    for steps in (1, 3, 8, 40):
        tails = read_tails(plant.workspace, "plant", steps)
        live = read_ends(plant.workspace, plant.dataset).live
        for i, (name, number) in enumerate(zip(expected.ids, history.series.tolist(), strict=True)):
            newest = max(live[number - 1], expected.last[i])
            end = int(min(newest, expected.last[i] + steps - 1))
            values = {int(expected.first[i]) + k: y for k, y in enumerate(expected.series(i).tolist())}
            row = [values.get(step, NAN) for step in range(end - steps + 1, end + 1)]
            assert (tails.ids[i], tails.last[i]) == (name, end)
            np.testing.assert_array_equal(tails.values[i], row)


def fill_at_random(plant: Plant, draw: random.Random) -> None:
    """Some ingests and transactions of the log in turn, some hand-offs, and some values in quarantine."""
    at = 100
    for _ in range(draw.randint(3, 9)):
        at += draw.randint(1, 5)
        start = draw.choice([0, 0, 20, 200])
        rows = {
            (draw.choice("abc"), start + draw.randint(0, 15)): draw.choice([None, *range(1, 9)])
            for _ in range(draw.randint(1, 20))
        }
        told = [(name, step, y) for (name, step), y in rows.items()]
        if draw.random() < 0.5:
            plant.store(at, *told, split=[draw.choice(["train", "val", "test", "unused", None]) for _ in told])
        else:
            plant.log(at, *told)
        if draw.random() < 0.2 and observation_log.last_seq(plant.workspace.engine, plant.dataset.id):
            plant.hand_off()
    name, step, y = draw.choice([(name, step, y) for name, step, y in told if y] or [("a", 1, 1.0)])
    plant.hold(name, step, float(y))
    plant.store(at + 50, ("a", 1, 1.0), ("a", 9, 5.0), split=["train", "val"])


def plain_history(plant: Plant) -> tuple[Panel, dict[tuple[str, int], str]]:
    """The panel from all rows of lake and log, and the part of each (series, step), one row after the other."""
    names = {number: name for name, number in plant.numbers.items()}
    log = observation_log.log(plant.workspace.engine, plant.dataset.id)
    stored = pl.read_delta(str(plant.workspace.lake.path(plant.dataset.id)))
    rows = [(at, 0, name, ds, y, part) for name, ds, y, part, at in stored.select(
        "unique_id", "ds", "y", "split", "available_at").rows()]  # fmt: skip
    rows += [
        (at, seq, names[number], ds, None if np.isnan(y) else y, None)
        for seq, number, ds, y, at in zip(*(c.tolist() for c in (log.seq, log.series_id, log.ds, log.y,
        log.available_at)), strict=True)
    ]  # fmt: skip
    values: dict[tuple[str, int], float | None] = {}
    split: dict[tuple[str, int], str] = {}
    for _, _, name, ds, y, part in sorted(rows, key=lambda row: row[:2]):
        values[name, ds] = y
        split |= {(name, ds): part} if part is not None else {}
    for held in plant_quarantine(plant):
        if values.get(held[:2]) == held[2]:
            values[held[:2]] = None
    arrays, ids, first = [], [], []
    for name in ("a", "b", "c"):
        steps = sorted(ds for (own, ds), y in values.items() if own == name and y is not None)
        if steps:
            own = [values.get((name, step)) for step in range(steps[0], steps[-1] + 1)]
            arrays.append(np.array(own, np.float64))
            ids.append(name)
            first.append(steps[0])
    panel = Panel.of(arrays, ids)
    return Panel(panel.ids, panel.values, panel.offsets, np.array(first)), split


def plant_quarantine(plant: Plant) -> list[tuple[str, int, float]]:
    from data.records import quarantine

    return [(v.unique_id, v.ds, v.y) for v in quarantine.values(plant.workspace.engine, plant.dataset.id)]


def plain_parts(panel: Panel, split: dict[tuple[str, int], str]) -> dict[str, list[int]]:
    """Lengths of the parts: each ends at its last row, but not before the part ahead of it."""
    ends = []
    for name, first, last in zip(panel.ids, panel.first.tolist(), panel.last.tolist(), strict=True):
        reached = [0]
        for part in ("train", "val", "test"):
            own = [ds - first + 1 for (i, ds), p in split.items() if i == name and p == part and first <= ds <= last]
            reached.append(max([reached[-1], *own]))
        ends.append([b - a for a, b in pairwise(reached)])
    return {part: [own[k] for own in ends] for k, part in enumerate(("train", "val", "test"))}


# --- only what is asked for -------------------------------------------------------------------------------------------


def test_values_outside_of_the_windows_are_not_read(plant):
    plant.store(10, *((name, step, float(step)) for name in "abc" for step in range(1, 101)))
    plant.log(20, ("a", 50, -50.0), ("a", 60, -60.0))
    moment = newest_moment(plant.workspace, plant.dataset)
    ends = read_ends(plant.workspace, plant.dataset).select(np.array([0, 2]))
    windows = Windows.of(ends, np.array([49, 99]), np.array([52, 200]))
    assert read_values(plant.workspace, plant.dataset, windows, moment).values.tolist() == [49, -50, 51, 99, 100]


# --- ends -------------------------------------------------------------------------------------------------------------


def ends_of(plant: Plant) -> dict[str, tuple[int, int]]:
    ends = read_ends(plant.workspace, plant.dataset)
    return dict(zip(ends.unique_ids, zip(ends.first.tolist(), ends.last.tolist(), strict=True), strict=True))


def test_the_ends_of_a_series_are_those_of_its_rows_in_lake_and_log(plant):
    plant.store(10, ("a", 5, 1.0), ("a", 9, None), ("b", 7, 1.0))
    plant.log(20, ("a", 4, None), ("c", 6, 1.0))
    assert ends_of(plant) == {"a": (4, 9), "b": (7, 7), "c": (6, 6)}
    assert read_ends(plant.workspace, plant.dataset).live.tolist() == [4, NEVER, 6]


def test_rows_of_a_process_that_was_killed_after_its_commit_are_found_by_the_next_reader(plant, monkeypatch):
    plant.store(10, ("a", 5, 1.0))
    assert ends_of(plant) == {"a": (5, 5)}
    plant.store(20, ("a", 8, 1.0), ("b", 2, 1.0))  # and no record of them
    plant.workspace.lake.optimize(plant.dataset.id)
    plant.store(30, ("a", 3, 1.0))
    assert ends_of(plant) == {"a": (3, 8), "b": (2, 2)}


def test_the_lake_is_not_read_for_ends_that_are_known(plant, monkeypatch):
    plant.store(10, ("a", 5, 1.0))
    assert ends_of(plant) == {"a": (5, 5)}
    plant.workspace.lake.optimize(plant.dataset.id)  # a new version, but no new row
    assert ends_of(plant) == {"a": (5, 5)}
    monkeypatch.setattr(type(plant.workspace.lake), "spans", None)
    assert ends_of(plant) == {"a": (5, 5)}


# --- moments ----------------------------------------------------------------------------------------------------------


def again(plant: Plant, history: History) -> bool:
    return same(read_history_as_of(plant.workspace, "plant", history.snapshot).panel, history.panel)


def test_a_recorded_snapshot_is_read_again_after_everything_was_handed_off_and_after_an_ingest(plant):
    plant.store(10, *(("a", step, float(step)) for step in range(1, 30)), ("b", 1, 1.0))
    plant.log(20, ("a", 30, 30.0), ("b", 2, 2.0), ("a", 7, 70.0))
    plant.log(30, ("a", 31, 31.0), ("b", 1, 5.0))
    before = read_history(plant.workspace, "plant")
    assert before.snapshot == "lake:0+log:5@30"
    first = train(plant.workspace, TrainRequest("plant", "naive"), no_progress)
    plant.store(40, ("a", 32, 32.0), ("b", 1, 5.0), ("a", 7, -7.0))  # one repeats what the log has
    plant.log(50, ("a", 33, 33.0), ("b", 2, -2.0), ("c", 1, 1.0))
    assert again(plant, before)
    assert plant.hand_off() == 7
    assert again(plant, before)
    plant.store(60, ("a", 1, -1.0), ("a", -5, 0.0))
    assert again(plant, before)
    assert first.snapshot == before.snapshot
    assert not same(read_history(plant.workspace, "plant").panel, before.panel)


def test_the_digest_of_a_model_is_the_same_from_the_rows_that_moved_to_the_lake(plant):
    plant.store(10, *(("a", step, float(step % 7)) for step in range(1, 60)))
    plant.log(20, *(("a", step, float(step % 5)) for step in range(60, 90)), ("a", 40, 2.5))
    first = train(plant.workspace, TrainRequest("plant", "seasonal_naive"), no_progress)
    assert plant.hand_off() == 30
    second = train(plant.workspace, TrainRequest("plant", "seasonal_naive"), no_progress)
    assert second.digest == first.digest
    assert first.snapshot == "lake:0+log:31@20"
    assert second.snapshot == "lake:1+log:31@20"


@pytest.mark.parametrize("seed", range(8))
def test_every_snapshot_of_an_irregular_history_is_read_again_at_its_end(tmp_path, monkeypatch, seed):
    draw, plant = random.Random(seed), Plant.at(tmp_path, monkeypatch)
    seen: list[History] = []
    for at in range(100, 900, 100):
        rows = {(draw.choice("abc"), draw.randint(0, 12)): draw.choice([None, 1, 2, 3]) for _ in range(9)}
        (plant.store if draw.random() < 0.4 else plant.log)(at, *((*key, y) for key, y in rows.items()))
        if draw.random() < 0.3:
            plant.hand_off()
        if draw.random() < 0.3:
            plant.workspace.lake.optimize(plant.dataset.id)
        seen.append(read_history(plant.workspace, "plant"))
    plant.hand_off()
    assert all(again(plant, history) for history in seen)


def test_a_value_released_after_a_snapshot_is_missing_in_it(plant):
    from data.records import quarantine

    plant.store(10, ("a", 1, 1.0), ("a", 2, 2000.0), ("a", 3, 3.0))
    plant.hold("a", 2, 2000.0)
    before = read_history(plant.workspace, "plant")
    (held,) = quarantine.values(plant.workspace.engine, plant.dataset.id)
    with writing(plant.workspace.engine) as connection:
        quarantine.release_live(connection, plant.dataset.id, [(held.series_id, held.ds, held.y)], at=20)
    assert series(plant) == {"a": [1.0, 2000.0, 3.0]}
    assert again(plant, before)


def test_a_live_value_that_is_held_is_missing_in_each_snapshot_before_its_release(plant):
    engine, number = plant.workspace.engine, 1
    plant.store(10, ("a", 1, 1.0))
    (ds,) = plant.dataset.grid.stamps([2]).tolist()
    row = observation_log.LoggedValue(plant.dataset.id, number, ds, 2000.0, 20)
    observation_log.append(
        engine, [row, row._replace(ds=plant.dataset.grid.stamps([3])[0].item(), y=3.0)], None, {0: "spike"}
    )
    before = read_history(plant.workspace, "plant")
    assert np.array_equal(before.panel.values, [1.0, NAN, 3.0], equal_nan=True)
    observation_log.append(engine, [row])  # released
    assert series(plant) == {"a": [1.0, 2000.0, 3.0]}
    assert again(plant, before)
    plant.hand_off()
    assert series(plant) == {"a": [1.0, 2000.0, 3.0]}
    assert again(plant, before)


def test_the_form_of_earlier_versions_is_read_until_its_live_values_have_moved(plant):
    plant.store(10, ("a", 1, 1.0))
    plant.log(20, ("a", 2, 2.0), ("a", 3, 3.0))
    before = read_history(plant.workspace, "plant")
    plant.store(30, ("a", 1, -1.0))
    plant.log(40, ("a", 4, 4.0))
    assert same(read_history_as_of(plant.workspace, "plant", "lake:0+log:2").panel, before.panel)
    plant.hand_off()
    with pytest.raises(Unavailable, match="of an earlier version"):
        read_history_as_of(plant.workspace, "plant", "lake:0+log:2")


def test_a_text_that_names_no_snapshot_is_refused(plant):
    with pytest.raises(InvalidInput, match="names no snapshot; one looks like"):
        read_history_as_of(plant.workspace, "plant", "yesterday")
