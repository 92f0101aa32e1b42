"""Pages of history as bytes: what is read is what was written, to the bit, and small where values are decimals."""

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import Unavailable
from data.history.encoded_pages import encode_pages
from data.history.overviews import decode_bins
from data.history.page_codec import STEPS, PastRows, decode, settle


def encoded(rows, series=7):
    """The one page of some rows."""
    (page,) = encode_pages(np.full(len(rows), series), rows)
    return page


NUMBER = st.one_of(
    st.just(float("nan")),
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(10**9), 10**9).map(lambda number: number / 100),
)


@given(st.dictionaries(st.integers(0, STEPS - 1), st.tuples(NUMBER, st.booleans()), min_size=1), st.integers(-3, 3))
def test_a_page_comes_back_to_the_bit(cells, page):
    steps = np.array(sorted(cells), np.int64)
    values = np.array([cells[step][0] for step in steps.tolist()])
    rows = PastRows(steps + page * STEPS, values, np.array([cells[step][1] for step in steps.tolist()], bool))
    made = encoded(rows)
    assert (made.series, made.page) == (7, page)
    found = decode(made.rows, page)
    np.testing.assert_array_equal(found.steps, rows.steps)
    there = ~np.isnan(values)
    np.testing.assert_array_equal(found.values[there].view(np.int64), values[there].view(np.int64))
    np.testing.assert_array_equal(np.isnan(found.values), ~there)
    np.testing.assert_array_equal(found.corrected, rows.corrected)
    bins = decode_bins(made.overview, page)
    np.testing.assert_array_equal(bins.numbers, np.unique(rows.steps[there] // 64))
    if len(bins):
        assert (bins.low.min(), bins.high.max()) == (np.nanmin(values), np.nanmax(values))
        assert bins.last[-1] == values[there][-1]


def test_a_page_of_a_sensor_needs_less_than_two_bytes_a_value():
    walk = np.round(100 + np.random.default_rng(1).standard_normal(STEPS).cumsum(), 2)
    rows = PastRows(np.arange(STEPS), walk, np.zeros(STEPS, bool))
    page = encoded(rows)
    assert len(page.rows) < 2 * STEPS
    assert len(page.overview) < 400


def test_the_last_row_of_a_step_counts_and_a_replaced_number_is_marked():
    found = settle(np.array([3, 1, 3, 2, 2]), np.array([1.0, 2.0, 5.0, np.nan, 4.0]))
    assert (found.steps.tolist(), found.values.tolist()) == ([1, 2, 3], [2.0, 4.0, 5.0])
    assert found.corrected.tolist() == [False, False, True]  # a missing value is filled, not corrected


@pytest.mark.parametrize("damage", [b"", b"x", b"\x00" * 40])
def test_damaged_bytes_are_refused(damage):
    good = encoded(PastRows(np.arange(4), np.arange(4.0), np.zeros(4, bool))).rows
    for blob in (damage, good[:-3], good[:5] + bytes([good[5] ^ 0xFF]) + good[6:]):
        with pytest.raises(Unavailable, match="damaged"):
            decode(blob, 0)
        with pytest.raises(Unavailable, match="damaged"):
            decode_bins(blob, 0)


def test_pages_that_are_encoded_together_are_those_that_are_encoded_alone():
    steps = np.array([5, 1030, 2, 3, 2047, 4, 5])
    values = np.array([1.25, np.nan, 0.1 + 0.2, -7.0, 1e300, 7.5, 7.25])
    series, corrected = np.array([1, 1, 2, 2, 2, 9, 10]), np.array([0, 1, 0, 0, 1, 0, 0], bool)
    made = encode_pages(series, PastRows(steps, values, corrected))
    assert [(page.series, page.page) for page in made] == [(1, 0), (1, 1), (2, 0), (2, 1), (9, 0), (10, 0)]
    parts = [[0], [1], [2, 3], [4], [5], [6]]
    alone = [encoded(PastRows(steps[rows], values[rows], corrected[rows]), int(series[rows[0]])) for rows in parts]
    assert made == alone
    assert encode_pages(series[:0], PastRows(steps[:0], values[:0], corrected[:0])) == []


def test_a_page_of_the_first_format_is_read():
    flags = np.zeros((3, STEPS), bool)
    flags[0, :3], flags[1, 1] = True, True
    octets = (
        np.array([2, 6], "<u8").view(np.uint8).reshape(-1, 8).T.tobytes()
    )  # 1 and 3 more, in tenths, of either sign
    blob = zlib.compress(bytes([1]) + np.packbits(flags).tobytes() + bytes([1]) + octets)
    found = decode(blob, 2)
    assert found.steps.tolist() == [2048, 2049, 2050]
    np.testing.assert_array_equal(found.values, [0.1, np.nan, 0.4])
