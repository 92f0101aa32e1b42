"""Pages of quarantined values, newest first."""

import pytest

from data.grid.grid import Grid
from data.records import quarantine
from data.records.quarantine import Breach
from data.store import catalogue


@pytest.fixture
def dataset(store) -> int:
    """Values 1, 2 and 3 of the series a, b and a; the first one is released."""
    made = catalogue.put_dataset(store, "plant", grid=Grid("1h"), season=24, horizon=6, target="y")
    numbers = catalogue.ensure_series(store, made.id, ["a", "b"])
    for ds, name in enumerate("aba"):
        quarantine.put(store, made.id, [Breach(name, ds, 9.0, "spike")], numbers, "live")
    with store.begin() as connection:
        quarantine.release_live(connection, made.id, [(numbers["a"], 0, 9.0)], 1)
    return made.id


def test_a_page_is_below_an_id_of_one_series_and_released_or_not(store, dataset):
    def ids(series=None, released=None, limit=9, before=None):
        return [value.id for _, value in quarantine.page(store, [dataset], series, released, limit, before)]

    assert ids() == [3, 2, 1]
    assert (ids(released=True), ids(released=False)) == ([1], [3, 2])
    assert (ids(series=1), ids(series=2)) == ([3, 1], [2])
    assert (ids(limit=1), ids(limit=1, before=3)) == ([3], [2])
    assert quarantine.page(store, [dataset + 1], None, None, 9, None) == []


def test_released_values_are_not_found_to_be_released_again(store, dataset):
    assert [(value.id, value.unique_id) for value in quarantine.find(store, dataset, [1, 2, 9])] == [(2, "b")]
