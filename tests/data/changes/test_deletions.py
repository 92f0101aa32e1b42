"""The requests to delete, from asked to done."""

import pytest

from data.changes import deletions
from data.errors import InvalidInput, NotFound
from data.grid.grid import make_grid
from data.store import catalogue


@pytest.fixture
def plant(store):
    return catalogue.put_dataset(store, "plant", grid=make_grid("1h"), season=24, horizon=24, target="v", zone="UTC")


def test_a_request_is_stored_as_asked_and_found_by_its_number(store, plant):
    asked = {"series": ["a"], "first": 0, "last": None}
    found = deletions.ask(store, plant.id, "rows", asked)
    assert (found.id, found.kind, found.asked, found.state, found.finished) == (1, "rows", asked, "asked", False)
    assert deletions.find(store, 1) == found
    with pytest.raises(NotFound, match="no deletion 2"):
        deletions.find(store, 2)


def test_asking_twice_is_one_request_until_it_is_done(store, plant):
    first = deletions.ask(store, plant.id, "dataset", {})
    assert deletions.ask(store, plant.id, "dataset", {}) == first
    deletions.start(store, first)
    assert [found.state for found in deletions.unfinished(store, plant.id)] == ["running"]
    done = deletions.end(store, first, "done", {"rows": 3})
    assert (done.state, done.detail, done.finished) == ("done", {"rows": 3}, True)
    assert deletions.unfinished(store) == []
    assert deletions.ask(store, plant.id, "dataset", {}).id == 2


def test_another_kind_is_refused(store, plant):
    with pytest.raises(InvalidInput, match="rows, series, dataset, ingest, not of 'model'"):
        deletions.ask(store, plant.id, "model", {})
