"""Which row a series has."""

import numpy as np
import pytest

from states.row_index import RowIndex


def test_series_in_any_order_are_found_in_their_rows_and_others_nowhere() -> None:
    index = RowIndex(np.array([40, 7, 99]))
    assert index.find(np.array([99, 7, 8, 40, 7, 100, 0])).tolist() == [2, 1, -1, 0, 1, -1, -1]
    assert index.find(np.array([], np.int64)).tolist() == []


def test_where_there_is_no_series_none_is_found() -> None:
    assert RowIndex(np.array([], np.int64)).find(np.array([1, 2])).tolist() == [-1, -1]


def test_a_series_that_must_be_there_is_asked_for_by_name() -> None:
    index = RowIndex(np.array([40, 7]))
    assert index.require(np.array([7, 40])).tolist() == [1, 0]
    with pytest.raises(KeyError, match="8"):
        index.require(np.array([7, 8]))


def test_series_that_are_added_get_the_rows_after_the_others() -> None:
    index = RowIndex(np.array([40, 7])).plus(np.array([99, 20])).plus(np.array([1]))
    assert index.find(np.array([40, 7, 99, 20, 1, 8])).tolist() == [0, 1, 2, 3, 4, -1]
