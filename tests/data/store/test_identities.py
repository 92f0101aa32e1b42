"""Ids outlive the rows that they named."""

from sqlalchemy import delete

from data.grid.grid import make_grid
from data.store import anchors, catalogue, identities, observation_log, tables
from data.store.database import writing
from data.store.observation_log import LoggedValue


def put(store, name):
    return catalogue.put_dataset(store, name, grid=make_grid("1h"), season=24, horizon=24, target="value", zone="UTC")


def test_the_id_of_a_deleted_series_is_not_given_to_the_next(store):
    plant = put(store, "plant")
    first = catalogue.ensure_series(store, plant.id, ["a", "b"])
    with writing(store) as connection:
        identities.retire(connection, tables.series.c.id)
        connection.execute(delete(tables.series).where(tables.series.c.id == first["b"]))
    again = catalogue.ensure_series(store, plant.id, ["b", "c"])
    assert (first, again) == ({"a": 1, "b": 2}, {"b": 3, "c": 4})


def test_seq_and_stamp_of_the_log_never_fall_after_a_deletion(store):
    rows = [LoggedValue(1, 1, step, 1.0, 50 + step) for step in range(3)]
    assert observation_log.append(store, rows) == [1, 2, 3]
    with writing(store) as connection:
        identities.retire_log(connection)
        connection.execute(delete(tables.observations))
    assert observation_log.append(store, [LoggedValue(1, 1, 9, 1.0, 7)]) == [4]
    assert observation_log.log(store, 1).available_at.tolist() == [53]  # a microsecond after the 52 that is gone


def test_retiring_twice_keeps_the_larger_id(store):
    with writing(store) as connection:
        identities.remember(connection, "x", 5)
        identities.remember(connection, "x", 3)
        assert identities.last(connection, "x") == 5
        identities.remember(connection, "x", 8)
        assert identities.last(connection, "x") == 8


def test_the_id_of_a_deleted_anchor_is_not_given_to_the_next(store):
    with writing(store) as connection:
        identities.remember(connection, str(tables.anchors.c.anchor_id), 7)
        assert anchors.newest_id(connection) == 7


def test_a_deleted_dataset_leaves_its_name_and_keeps_its_id(store):
    plant = put(store, "plant")
    with writing(store) as connection:
        catalogue.bury(connection, plant.id)
        catalogue.bury(connection, plant.id)
    assert catalogue.datasets(store) == []
    assert catalogue.dataset_of(store, plant.id).name == f"plant deleted {plant.id}"
    assert put(store, "plant").id == plant.id + 1
