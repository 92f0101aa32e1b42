"""Stored forecasts: first wins, the oldest leave first, and what a deletion takes with it; on both databases."""

import numpy as np
from sqlalchemy import select

from data.history import vintage_table
from data.history.vintage_table import StoredVintage
from data.store import tables
from data.store.database import reading, writing

DATASET, PROMOTION, SERIES = 1, 7, 3


def vintage(origin: int, promotion: int = PROMOTION, series: int = SERIES, value: float = 0.5) -> StoredVintage:
    """A forecast of the four steps after an origin, 9 × 4."""
    quantiles = (value + np.arange(36).reshape(9, 4) / 3).astype(np.float32)
    return StoredVintage(promotion, series, origin, 10 + origin, 1000 + origin, origin + 1 + np.arange(4), quantiles)


def put(engine, *vintages: StoredVintage, dataset: int = DATASET) -> int:
    return vintage_table.put(engine, dataset, 1, vintages)


def origins(engine, series: int = SERIES, promotions=(PROMOTION,), first=None, last=None, most: int = 100) -> list[int]:
    found = vintage_table.page(engine, series, promotions, first, last, most)
    return [own.origin for own in found]


def counted(engine) -> int:
    """The sum of all sizes, by adding them up."""
    with reading(engine) as connection:
        return sum(connection.scalars(select(tables.vintages.c.bytes)))


def test_what_is_read_is_what_was_put_with_seven_digits(store):
    assert put(store, vintage(0)) == 1
    (found,) = vintage_table.page(store, SERIES, [PROMOTION], None, None, 10)
    assert found[:5] == vintage(0)[:5]
    assert np.array_equal(found.ds, vintage(0).ds)
    np.testing.assert_allclose(found.quantiles, vintage(0).quantiles, rtol=1e-6)


def test_numbers_of_any_size_are_kept(store):
    sizes = np.array([[0.0, -1e-38, 3.4e38, -2.5], [1e-30, 99999.99, 1 / 3, -1e9]] * 4 + [[7.0, 8.0, 9.0, 10.0]])
    put(store, vintage(0)._replace(quantiles=sizes.astype(np.float32)))
    (found,) = vintage_table.page(store, SERIES, [PROMOTION], None, None, 10)
    np.testing.assert_allclose(found.quantiles, sizes, rtol=1e-6, atol=1e-38)


def test_the_first_of_an_origin_stays(store):
    put(store, vintage(0), vintage(4))
    assert put(store, vintage(0, value=9.0), vintage(8)) == 1
    assert origins(store) == [8, 4, 0]
    assert vintage_table.page(store, SERIES, [PROMOTION], None, 0, 1)[0].quantiles[0, 0] == 0.5
    assert vintage_table.size(store) == counted(store)


def test_a_page_begins_with_the_newest_and_has_the_newest_promotion_of_an_origin(store):
    put(store, *(vintage(origin) for origin in range(0, 40, 4)), vintage(8, promotion=9, value=3.0))
    assert origins(store, most=3) == [36, 32, 28]
    assert origins(store, first=4, last=12) == [12, 8, 4]
    both = vintage_table.page(store, SERIES, [PROMOTION, 9], 4, 8, 10)
    assert [(own.origin, own.promotion_id) for own in both] == [(8, 9), (4, PROMOTION)]


def test_more_than_one_statement_of_vintages_is_stored_at_once(store):
    assert put(store, *(vintage(4 * turn) for turn in range(150))) == 150


def test_the_oldest_leave_until_the_rest_fits(store):
    put(store, *(vintage(4 * turn) for turn in range(10)))
    put(store, vintage(0, series=4), dataset=2)
    each = counted(store) // 11
    assert vintage_table.trim(store, 3 * each + each // 2) is False
    assert (origins(store), origins(store, series=4)) == ([36, 32], [0])
    assert vintage_table.size(store) == counted(store)
    vintage_table.trim(store, 0)
    assert (origins(store), vintage_table.size(store)) == ([], 0)


def test_many_leave_in_several_transactions(store, monkeypatch):
    monkeypatch.setattr(vintage_table, "AT_ONCE", 4)
    put(store, *(vintage(4 * turn) for turn in range(10)))
    rounds = 1
    while vintage_table.trim(store, 0):
        rounds += 1
    assert (rounds, origins(store)) == (3, [])


def test_rows_take_the_forecasts_from_them_and_for_them(store):
    put(store, *(vintage(4 * turn) for turn in range(5)), vintage(8, series=4))  # origins 0 4 8 12 16, each 4 steps
    with writing(store) as connection:
        vintage_table.delete_rows(connection, [SERIES], 8, 9)  # 4 forecasts step 8, 8 begins at it; 12 comes later
    assert origins(store) == [16, 12, 0]
    assert origins(store, series=4) == [8]
    assert vintage_table.size(store) == counted(store)


def test_a_series_takes_all_of_its_forecasts(store):
    put(store, vintage(0), vintage(4), vintage(0, series=4))
    with writing(store) as connection:
        vintage_table.delete_series(connection, [SERIES])
    assert (origins(store), origins(store, series=4)) == ([], [0])
    assert vintage_table.size(store) == counted(store)
