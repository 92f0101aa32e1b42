"""Pages of history as bytes: what is read is what was written, to the bit, and small where values are decimals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import Unavailable
from data.history.overviews import bins_of, decode_bins, encode_bins
from data.history.page_codec import STEPS, PastRows, decode, encode, settle

NUMBER = st.one_of(
    st.just(float("nan")),
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(10**9), 10**9).map(lambda number: number / 100),
)


@given(st.dictionaries(st.integers(0, STEPS - 1), st.tuples(NUMBER, st.booleans())), st.integers(-3, 3))
def test_a_page_comes_back_to_the_bit(cells, page):
    steps = np.array(sorted(cells), np.int64)
    values = np.array([cells[step][0] for step in steps.tolist()])
    rows = PastRows(steps + page * STEPS, values, np.array([cells[step][1] for step in steps.tolist()], bool))
    found = decode(encode(rows), page)
    np.testing.assert_array_equal(found.steps, rows.steps)
    there = ~np.isnan(values)
    np.testing.assert_array_equal(found.values[there].view(np.int64), values[there].view(np.int64))
    np.testing.assert_array_equal(np.isnan(found.values), ~there)
    np.testing.assert_array_equal(found.corrected, rows.corrected)
    bins = decode_bins(encode_bins(bins_of(rows)), page)
    np.testing.assert_array_equal(bins.numbers, np.unique(rows.steps[there] // 64))
    if len(bins):
        assert (bins.low.min(), bins.high.max()) == (np.nanmin(values), np.nanmax(values))
        assert bins.last[-1] == values[there][-1]


def test_a_page_of_a_sensor_needs_less_than_two_bytes_a_value():
    walk = np.round(100 + np.random.default_rng(1).standard_normal(STEPS).cumsum(), 2)
    rows = PastRows(np.arange(STEPS), walk, np.zeros(STEPS, bool))
    assert len(encode(rows)) < 2 * STEPS
    assert len(encode_bins(bins_of(rows))) < 400


def test_the_last_row_of_a_step_counts_and_a_replaced_number_is_marked():
    found = settle(np.array([3, 1, 3, 2, 2]), np.array([1.0, 2.0, 5.0, np.nan, 4.0]))
    assert (found.steps.tolist(), found.values.tolist()) == ([1, 2, 3], [2.0, 4.0, 5.0])
    assert found.corrected.tolist() == [False, False, True]  # a missing value is filled, not corrected


@pytest.mark.parametrize("damage", [b"", b"x", b"\x00" * 40])
def test_damaged_bytes_are_refused(damage):
    good = encode(PastRows(np.arange(4), np.arange(4.0), np.zeros(4, bool)))
    for blob in (damage, good[:-3], good[:5] + bytes([good[5] ^ 0xFF]) + good[6:]):
        with pytest.raises(Unavailable, match="damaged"):
            decode(blob, 0)
        with pytest.raises(Unavailable, match="damaged"):
            decode_bins(blob, 0)
