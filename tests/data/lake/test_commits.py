"""What is recorded of every version of a dataset's table, so that damage and loss are noticed."""

import hashlib

import polars as pl
import pytest

from data.errors import Unavailable
from data.grid.grid import Grid
from data.lake import commits
from data.lake.table import Lake
from data.store import catalogue


@pytest.fixture
def dataset_id(store) -> int:
    return catalogue.put_dataset(store, "plant", grid=Grid("1"), season=1, horizon=1, target="y").id


def frame(*values):
    return pl.DataFrame({"unique_id": ["a"] * len(values), "ds": range(len(values)), "y": values})


def test_every_version_is_recorded_with_its_rows_and_the_digest_of_its_files(store, dataset_id, tmp_path):
    lake = Lake(tmp_path / "lake")
    lake.append(dataset_id, frame(1.0, 2.0))
    lake.append(dataset_id, frame(1.0, 5.0, 3.0))  # one new row, one corrected
    commits.record(store, dataset_id, lake.path(dataset_id))
    commits.record(store, dataset_id, lake.path(dataset_id))
    first, second = commits.commits(store, dataset_id)
    assert [(first.version, first.rows), (second.version, second.rows)] == [(0, 2), (1, 2)]
    (file,) = second.files
    assert file.sha256 == hashlib.sha256((lake.path(dataset_id) / file.path).read_bytes()).hexdigest()
    assert commits.last(store, dataset_id) == 1


def test_a_table_that_lost_its_newest_version_is_refused(store, dataset_id, tmp_path):
    lake = Lake(tmp_path / "lake", lambda number: commits.last(store, number))
    for value in (1.0, 2.0):
        lake.append(dataset_id, frame(value))
        commits.record(store, dataset_id, lake.path(dataset_id))
    (lake.path(dataset_id) / "_delta_log" / f"{1:020}.json").unlink()
    for use in (lake.read, lake.count, lambda number: lake.append(number, frame(3.0))):
        with pytest.raises(Unavailable, match=r"00001\.json is gone"):
            use(dataset_id)
