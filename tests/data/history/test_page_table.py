"""Pages in the live store, and the log's rows over them, on SQLite and PostgreSQL."""

import numpy as np
import pytest

from data.grid.grid import Grid
from data.history import log_rows, page_table
from data.history.page_table import PendingPages, StoredPage
from data.store import catalogue, observation_log
from data.store.database import writing
from data.store.observation_log import LoggedValue


@pytest.fixture
def dataset(store):
    return catalogue.put_dataset(store, "plant", grid=Grid("1"), season=2, horizon=2, target="y")


def page(series, number, size=10, log_seq=0):
    return StoredPage(series, number, log_seq, b"overview", b"x" * size)


def test_pages_are_read_in_order_or_backwards_and_written_again(store, dataset):
    page_table.write(store, dataset.id, [page(1, number) for number in (-1, 0, 1, 2)] + [page(2, 0)])
    assert [found.page for found in page_table.pages(store, 1, -1, 1)] == [-1, 0, 1]
    assert [found.page for found in page_table.pages(store, 1, -1, 2, 2, True)] == [2, 1]
    page_table.write(store, dataset.id, [page(1, 0, 20, 7)])
    assert page_table.of_page(store, [1, 2, 3], 0) == {1: page(1, 0, 20, 7), 2: page(2, 0)}
    assert page_table.overviews(store, 1, 2, 9) == [page(1, 2)._replace(rows=None)]
    assert page_table.kept(store, 1) == (-1, -1, 2)
    assert page_table.sizes(store) == {dataset.id: 60}


def test_the_dataset_that_has_the_most_lets_its_oldest_pages_go(store, dataset):
    other = catalogue.put_dataset(store, "other", grid=Grid("1"), season=2, horizon=2, target="y")
    for number in (dataset.id, other.id):
        page_table.set_mark(store, number, 0)
    page_table.write(store, dataset.id, [page(1, number, 100) for number in range(10)])
    page_table.write(store, other.id, [page(2, number, 100) for number in range(-500, -498)])
    assert page_table.let_go(store, 1000) == 200
    assert page_table.sizes(store) == {dataset.id: 800, other.id: 200}
    assert page_table.kept(store, 1) == (0, 2, 9)
    assert page_table.mark(store, dataset.id).kept_from == 2
    assert page_table.mark(store, other.id).kept_from is None
    assert page_table.let_go(store, 1000) == 0
    assert page_table.let_go(store, 0) == 1000


def test_every_change_of_pages_counts_as_a_version_and_pending_ones_are_noted(store, dataset):
    page_table.set_mark(store, dataset.id, 3)
    page_table.write(store, dataset.id, [page(1, 0), page(1, 1), page(2, 0)])
    before = page_table.mark(store, dataset.id)
    with writing(store) as connection:
        page_table.take_away(connection, dataset.id, PendingPages((1,), 1, None), 4)
    after = page_table.mark(store, dataset.id)
    assert (after.version, after.lake_version, after.pending) == (before.version + 1, 4, (PendingPages((1,), 1, None),))
    assert [found.page for found in page_table.pages(store, 1, 0, 9)] == [0]
    page_table.set_mark(store, dataset.id, 4)
    assert page_table.mark(store, dataset.id).pending == ()


def test_the_logs_rows_of_a_series_are_found_by_stamps_as_by_reading_all(store, dataset):
    draw = np.random.default_rng(1)
    values = [
        LoggedValue(
            dataset.id, int(draw.integers(1, 4)), int(draw.integers(0, 50)), None if n % 9 == 0 else float(n), n
        )
        for n in range(300)
    ]
    observation_log.append(store, values, verdicts={5: "range", 6: "released"})
    for first, last, after in ((0, 49, 0), (10, 20, 0), (10, 20, 150), (60, 70, 0)):
        wanted = [
            (n + 1, row.ds, np.nan if row.y is None or n == 5 else row.y)
            for n, row in enumerate(values)
            if row.series_id == 2 and first <= row.ds <= last and n + 1 > after
        ]
        for neighbours in (1, 1000):
            found = log_rows.rows_of(store, dataset.id, 2, first, last, neighbours, after)
            rows = np.array([found.seq, found.ds, found.values]).T
            np.testing.assert_array_equal(rows, np.array(wanted, float).reshape(-1, 3))
