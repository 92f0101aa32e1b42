import multiprocessing
import os
import re
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from deltalake import DeltaTable
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data import clock
from data.errors import Unavailable
from data.lake.data_files import newest_stamp
from data.lake.row_spans import spans_of
from data.lake.table import Lake


def frame(rows, **covariates):
    schema = {"unique_id": pl.String, "ds": pl.Int64, "y": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(
        pl.Series(name, values, pl.Float64) for name, values in covariates.items()
    )


HISTORY = [("a", 1, 1.0), ("a", 2, None), ("b", 1, 3.0)]


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path / "lake")


def test_what_was_appended_is_read_in_order(lake):
    assert lake.snapshot(1) is None
    assert lake.append(1, frame(HISTORY[::-1])) == 0
    assert lake.read(1).rows() == HISTORY
    assert lake.snapshot(1) == 0


def test_the_same_frame_twice_adds_nothing(lake, tmp_path):
    assert lake.append(1, frame(HISTORY)) == lake.append(1, frame(HISTORY))
    assert len(list((tmp_path / "lake" / "1").glob("*.parquet"))) == 1


def test_only_what_is_new_or_changed_is_written(lake, tmp_path):
    lake.append(1, frame(HISTORY))
    assert lake.append(1, frame([("a", 1, 1.0), ("a", 2, 2.0), ("c", 1, 4.0)])) == 1
    written = max((tmp_path / "lake" / "1").glob("*.parquet"), key=os.path.getmtime)
    assert sorted(pl.read_parquet(written)["y"].to_list()) == [2.0, 4.0]
    assert lake.read(1).rows() == [("a", 1, 1.0), ("a", 2, 2.0), ("b", 1, 3.0), ("c", 1, 4.0)]


def test_an_older_version_gives_the_same_rows_after_later_appends(lake):
    first = lake.append(1, frame(HISTORY))
    lake.append(1, frame([("a", 1, 9.0)]))
    assert lake.read(1, first).rows() == HISTORY
    assert lake.read(1).rows()[0] == ("a", 1, 9.0)


def test_a_value_may_go_back_to_what_it_was_and_to_missing(lake):
    for y in (1.0, 2.0, 1.0, None):
        lake.append(1, frame([("a", 1, y)]))
        assert lake.read(1)["y"].to_list() == [y]
    assert lake.snapshot(1) == 3


def test_a_new_covariate_is_missing_in_rows_without_it_and_kept_in_rows_with_it(lake):
    lake.append(1, frame(HISTORY[:2]))
    lake.append(1, frame([("a", 2, 5.0)], temp=[20.0]))
    lake.append(1, frame([("a", 2, 6.0)]))
    assert lake.read(1).rows() == [("a", 1, 1.0, None), ("a", 2, 6.0, 20.0)]


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.dictionaries(st.tuples(st.sampled_from("ab"), st.integers(0, 3)), st.none() | st.floats(-9, 9), min_size=1),
        min_size=1,
        max_size=4,
    ),
    st.integers(0, 10**12),
)
def test_the_current_value_is_the_last_one_appended(lake, files, dataset_id):
    stored = {}
    if lake.snapshot(dataset_id) is not None:
        return
    for file in files:
        lake.append(dataset_id, frame([(*key, y) for key, y in file.items()]))
        stored |= file
    assert lake.read(dataset_id).rows() == [(*key, y) for key, y in sorted(stored.items(), key=lambda item: item[0])]


def append_own(root, n):
    lake = Lake(root)
    for step in range(5):
        lake.append(1, frame([(f"s{n}", step, float(step)), ("shared", step, float(step))]))


def test_several_processes_lose_and_double_nothing(tmp_path, lake):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=append_own, args=(tmp_path / "lake", n)) for n in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(300)
    rows = pl.concat(pl.read_parquet(path) for path in (tmp_path / "lake" / "1").glob("*.parquet"))
    assert len(rows) == len(rows.unique(["unique_id", "ds"])) == 15


def test_what_append_returned_is_on_the_disk(tmp_path):
    """Every file of the version, its log entry and their folders are synced, after they were written."""
    program = (
        "import os, sys; synced = []; real = os.fsync\n"
        "os.fsync = lambda f: (synced.append(os.readlink(f'/proc/self/fd/{f}')), real(f))\n"
        "import polars as pl; from pathlib import Path; from data.lake.table import Lake\n"
        "Lake(Path(sys.argv[1])).append(1, pl.DataFrame({'unique_id': ['a'], 'ds': [1], 'y': [1.0]}))\n"
        "print('\\n'.join(synced))"
    )
    root = tmp_path / "lake"
    result = subprocess.run([sys.executable, "-c", program, root], capture_output=True, text=True, check=True)
    synced = set(result.stdout.split())
    written = {str(path) for path in (root / "1").rglob("*") if path.is_file()}
    assert written | {str(root), str(root / "1"), str(root / "1" / "_delta_log")} <= synced


def newest_log(tmp_path):
    return max((tmp_path / "lake" / "1" / "_delta_log").glob("*.json"))


def test_a_log_that_came_back_empty_is_refused_with_its_version(lake, tmp_path):
    for y in (1.0, 2.0):
        lake.append(1, frame([("a", 1, y)]))
    newest_log(tmp_path).write_bytes(b"")
    for use in (lake.read, lake.snapshot):
        with pytest.raises(Unavailable, match=r"00001\.json came back empty after a crash: version 1"):
            use(1)
    with pytest.raises(Unavailable):
        lake.append(1, frame([("a", 1, 3.0)]))


@pytest.mark.parametrize("damage", ["missing", "truncated", "torn log"])
def test_damage_is_an_error_of_one_sentence_and_not_a_panic(lake, tmp_path, damage):
    lake.append(1, frame([("a", n, float(n)) for n in range(1000)]))
    (data,) = (tmp_path / "lake" / "1").glob("*.parquet")
    log = newest_log(tmp_path)
    if damage == "missing":
        data.unlink()
    elif damage == "truncated":
        data.write_bytes(data.read_bytes()[: data.stat().st_size // 2])
    else:
        log.write_bytes(log.read_bytes()[: log.stat().st_size // 2])
    with pytest.raises(Unavailable, match=re.escape(f"{log if damage == 'torn log' else data}")) as caught:
        lake.read(1)
    assert "\n" not in str(caught.value)


def test_a_dataset_or_snapshot_that_is_not_there_is_unavailable(lake):
    with pytest.raises(Unavailable, match="no history yet"):
        lake.read(7)
    lake.append(1, frame(HISTORY))
    with pytest.raises(Unavailable):
        lake.read(1, 99)


# --- reading only what is needed --------------------------------------------------------------------------------------


def test_the_first_and_last_time_of_rows_that_came_after_a_version(lake):
    lake.append(1, frame([("a", 1, 1.0), ("a", 5, 1.0)]))
    lake.append(1, frame([("a", 3, 1.0), ("b", 9, None)]))
    assert lake.spans(1)[0].sort("unique_id").rows() == [("a", 1, 5), ("b", 9, 9)]
    after, version = lake.spans(1, 0)
    assert (sorted(after.rows()), version) == ([("a", 3, 3), ("b", 9, 9)], 1)
    lake.optimize(1)
    assert (lake.spans(1, 1)[0].rows(), lake.snapshot(1)) == ([], 2)
    assert lake.spans(2)[1] is None


def test_spans_are_read_from_all_rows_where_the_log_lacks_a_version(lake, tmp_path):
    for step in (1, 2, 3):
        lake.append(1, frame([("a", step, 1.0)]))
    lake.optimize(1)
    (tmp_path / "lake" / "1" / "_delta_log" / f"{1:020}.json").unlink()
    assert lake.spans(1, 0)[0].rows() == [("a", 1, 3)]


def test_the_newest_stamp_is_known_from_statistics_and_of_a_table_without_them_from_its_rows(lake, monkeypatch):
    assert lake.stamp(1) is None
    for at in (100, 50):
        monkeypatch.setattr(clock, "now", lambda at=at: at)
        lake.append(1, frame([("a", at, 1.0)]))
    assert (lake.stamp(1), lake.stamp(1, 0)) == (101, 100)  # the clock went back, and no stamp repeats
    monkeypatch.setattr(DeltaTable, "get_add_actions", lambda self, flatten: pl.DataFrame({"path": ["x"]}))
    assert newest_stamp(DeltaTable(lake.path(1))) == 101


def test_rows_that_are_added_come_after_those_of_the_live_log(tmp_path):
    lake = Lake(tmp_path / "lake", logged_at=lambda dataset_id: 2**60)
    lake.append(1, frame(HISTORY))
    assert lake.read(1, with_available_at=True)["available_at"].unique().to_list() == [2**60 + 1]


def test_windows_give_each_series_its_own_span_and_leave_later_rows_out(lake, monkeypatch):
    monkeypatch.setattr(clock, "now", lambda: 10)
    lake.append(1, frame([(name, step, float(step)) for name in "abc" for step in range(10)]))
    monkeypatch.setattr(clock, "now", lambda: 20)
    lake.append(1, frame([("a", 3, -3.0)]))
    wanted = pl.DataFrame({"unique_id": ["a", "c"], "row": [0, 1], "low": [2, 8], "high": [3, 99]})
    found = {until: sorted(pl.concat(lake.windows(1, wanted, ["y"], 1, until)).rows()) for until in (10, 20)}
    assert found[10] == [(0, 2, 2.0, 10), (0, 3, 3.0, 10), (1, 8, 8.0, 10), (1, 9, 9.0, 10)]
    assert found[20] == sorted([*found[10], (0, 3, -3.0, 20)])
    assert pl.concat(lake.windows(1, wanted, ["split"], 1, 10))["split"].null_count() == 4


@pytest.mark.parametrize(
    ("windows", "spans"),
    [
        ([(1, 4)], [(1, 4)]),
        ([(5, 9), (1, 4)], [(1, 9)]),  # they touch
        ([(1, 9), (3, 4), (20, 30)], [(1, 9), (20, 30)]),
        (
            [(k**2, k**2) for k in range(10)],
            [(0, 4), (9, 9), (16, 16), (25, 25), (36, 36), (49, 49), (64, 64), (81, 81)],
        ),
    ],
)
def test_windows_are_read_as_few_spans(windows, spans):
    low, high = zip(*windows, strict=True)
    assert spans_of(low, high) == spans


def test_merged_files_keep_rows_of_one_time_together_so_that_others_can_be_skipped(lake):
    for hour in range(12):
        lake.append(1, frame([(f"s{k}", hour * 10 + k % 10, 1.0) for k in range(50)]))
    lake.optimize(1)
    (merged,) = lake.active(1)
    stamps = pl.read_parquet(merged)["ds"].to_numpy().reshape(-1, 50)  # as row groups of 50 rows would have them
    assert (np.ptp(stamps, axis=1) < 10).all()
