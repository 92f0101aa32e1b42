"""The first and last `ds` of each series, as they stand in the live store."""

import numpy as np
import pytest

from data.grid.grid import Grid
from data.records import series_ends
from data.store import catalogue


@pytest.fixture
def plant(store) -> int:
    dataset = catalogue.put_dataset(store, "plant", grid=Grid("1h"), season=24, horizon=6, target="y")
    catalogue.ensure_series(store, dataset.id, ("a", "b", "c"))  # 1, 2, 3
    return dataset.id


def widen(store, plant, upto, **ends):
    names = dict(zip("abc", (1, 2, 3), strict=True))
    series = np.array([names[name] for name in ends])
    first, last = np.array(list(ends.values())).T
    series_ends.widen(store, plant, series, first, last, upto)


def known(store, plant):
    ends = series_ends.ends(store, plant)
    return dict(zip(ends.unique_ids, zip(ends.first.tolist(), ends.last.tolist(), strict=True), strict=True))


def test_nothing_is_known_of_a_new_dataset(store, plant):
    assert (known(store, plant), series_ends.version(store, plant)) == ({}, None)


def test_ends_only_widen(store, plant):
    widen(store, plant, 0, a=(5, 9), c=(-3, -3))
    widen(store, plant, 1, a=(6, 7), c=(-3, 4))
    widen(store, plant, 2, a=(2, 8), b=(1, 1))
    assert known(store, plant) == {"a": (2, 9), "b": (1, 1), "c": (-3, 4)}


def test_the_version_up_to_which_they_are_whole_never_goes_back(store, plant):
    for upto in (0, 7, 3):
        widen(store, plant, upto, a=(5, 9))
    assert series_ends.version(store, plant) == 7


def test_more_series_than_one_transaction_takes(store, plant, monkeypatch):
    monkeypatch.setattr(series_ends, "CHUNK", 2)
    widen(store, plant, 0, a=(1, 2), b=(3, 4), c=(5, 6))
    assert known(store, plant) == {"a": (1, 2), "b": (3, 4), "c": (5, 6)}
