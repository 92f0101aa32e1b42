import multiprocessing
import os
import re
import subprocess
import sys

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.errors import Unavailable
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
