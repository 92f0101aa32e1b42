"""Values of the lake and of the live log become one panel; of two for the same time, the one learnt last counts."""

import numpy as np
import polars as pl

from data.grid.grid import Grid
from data.store.catalogue import Dataset
from data.store.observation_log import Log
from pipelines.history.history import KEY, current_values, drop_empty_ends, logged_rows, split_lengths, to_panel

IDS = pl.DataFrame({KEY: [1, 2], "unique_id": ["a", "b"]})


def dataset(has_split: bool = False) -> Dataset:
    return Dataset(1, "steps", Grid("1"), 1, 2, None, "y", has_split, 0)


def stored(*rows: tuple[int, int, float | None, int], split: list[str] | None = None) -> pl.DataFrame:
    """Rows (series, ds, y, available_at) as the lake gives them."""
    columns = {KEY: pl.Int64, "ds": pl.Int64, "y": pl.Float64, "available_at": pl.Int64}
    frame = pl.DataFrame(rows, schema=columns, orient="row")
    return frame.with_columns(pl.Series("split", split or [None] * len(rows), dtype=pl.String))


def logged(*rows: tuple[int, int, float, int]) -> pl.DataFrame:
    """Rows (series, ds, y, available_at) as the log gives them, oldest first."""
    series, ds, y, available = (np.array(column) for column in zip(*rows, strict=True))
    return logged_rows(
        Log(np.arange(1, len(rows) + 1), series, ds, y.astype(float), available, np.full(len(rows), None))
    )


def test_gaps_become_missing_values_on_the_grid():
    panel, series = to_panel(dataset(), stored((1, 3, 1.0, 0), (1, 6, 2.0, 0), (2, 5, 7.0, 0)), IDS)
    assert panel.ids == ("a", "b")
    assert series.tolist() == [1, 2]
    np.testing.assert_array_equal(panel.series(0), [1.0, np.nan, np.nan, 2.0])
    np.testing.assert_array_equal(panel.series(1), [7.0])
    assert panel.first.tolist() == [3, 5]
    assert panel.last.tolist() == [6, 5]


def test_a_null_is_a_missing_value():
    panel, _ = to_panel(dataset(), stored((1, 1, 1.0, 0), (1, 2, None, 0)), IDS)
    np.testing.assert_array_equal(panel.series(0), [1.0, np.nan])


NOTHING_LIVE = logged_rows(
    Log(*(np.empty(0, np.int64) for _ in range(3)), np.empty(0), np.empty(0, np.int64), np.empty(0, object))
)


def test_empty_rows_before_the_first_and_after_the_last_value_are_left_out():
    rows = stored((1, 1, None, 0), (1, 2, 5.0, 0), (1, 3, None, 0), (1, 4, 6.0, 0), (1, 5, None, 0), (2, 9, None, 0))
    panel, series = to_panel(dataset(), drop_empty_ends(rows, NOTHING_LIVE), IDS)
    np.testing.assert_array_equal(panel.series(0), [5.0, np.nan, 6.0])
    assert (series.tolist(), panel.first.tolist(), panel.last.tolist()) == ([1], [2], [4])


def test_a_missing_step_that_arrived_live_is_known_and_stays():
    lake = stored((1, 1, 5.0, 0), (1, 2, None, 0), (1, 4, None, 0), (2, 1, 7.0, 0), (2, 2, None, 0))
    live = logged((1, 3, np.nan, 20))
    panel, _ = to_panel(dataset(), drop_empty_ends(current_values(lake, live), live), IDS)
    assert panel.last.tolist() == [3, 1]


def test_a_live_value_learnt_later_replaces_the_stored_one():
    rows = current_values(stored((1, 1, 1.0, 10), (1, 2, 2.0, 10)), logged((1, 2, 9.0, 20)))
    assert rows["y"].to_list() == [1.0, 9.0]


def test_a_stored_value_learnt_later_replaces_the_live_one():
    rows = current_values(stored((1, 1, 1.0, 10), (1, 2, 2.0, 30)), logged((1, 2, 9.0, 20)))
    assert rows["y"].to_list() == [1.0, 2.0]


def test_of_two_live_values_for_one_time_the_later_of_the_log_counts():
    rows = current_values(stored((1, 1, 1.0, 10)), logged((1, 2, 8.0, 20), (1, 2, 9.0, 20)))
    assert rows["y"].to_list() == [1.0, 9.0]


def test_a_withdrawn_value_is_missing():
    rows = current_values(stored((1, 1, 1.0, 10)), logged((1, 1, np.nan, 20)))
    assert rows["y"].to_list() == [None]


def test_a_correction_stays_in_its_split():
    frame = current_values(stored((1, 1, 1.0, 10), split=["train"]), logged((1, 1, 9.0, 20)))
    assert frame["split"].to_list() == ["train"]


def test_parts_of_a_split_follow_one_another():
    rows = [(1, step, float(step), 0) for step in range(1, 8)]
    frame = stored(*rows, split=["train", "train", "train", "val", "test", "test", "unused"])
    panel, _ = to_panel(dataset(True), frame, IDS)
    lengths = split_lengths(dataset(True), frame, panel)
    assert {part: count.tolist() for part, count in lengths.items()} == {"train": [3], "val": [1], "test": [2]}


def test_a_missing_step_between_two_parts_counts_to_the_later_one():
    frame = stored((1, 1, 1.0, 0), (1, 3, 3.0, 0), split=["train", "test"])
    panel, _ = to_panel(dataset(True), frame, IDS)
    lengths = split_lengths(dataset(True), frame, panel)
    assert {part: count.tolist() for part, count in lengths.items()} == {"train": [1], "val": [0], "test": [2]}
