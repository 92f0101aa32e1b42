"""Folds values into the states of many series: by row and then by time, a block of rows on each core."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from forecasting.kernel.threads import cores, each

BLOCK = 400  # rows rolled together by one thread: fewer make slower products, more do not fit into its cache


class SortedValues(NamedTuple):
    """Values as a fold takes them in, sorted by row and then by step; every array is (k,)."""

    steps: np.ndarray
    values: np.ndarray  # float64, NaN where missing
    first_values: np.ndarray  # float64, as they first arrived
    anew: np.ndarray | None  # int8, see `forecasting.rolling.state`; None where nothing begins anew


Fold = Callable[[Any, np.ndarray, np.ndarray, SortedValues, Any], None]


def fold_rows(
    state: Any,
    rows: np.ndarray,
    steps: np.ndarray,
    values: np.ndarray,
    ledger: Any,
    first_values: np.ndarray | None,
    anew: np.ndarray | None,
    fold: Fold,
) -> None:
    """Fold values (k,) into `rows` (k,) of a state, in place, and take down in `ledger`, which may be None, what they
    settle.

    fold(block, at, stop, sorted_values, page) rolls a part of the state: the values of its row i are those from at[i]
    to before stop[i], and `page` is its part of the ledger.
    """
    order = np.lexsort((steps, rows))
    rows, values = np.asarray(rows)[order], np.asarray(values, np.float64)[order]
    first = values if first_values is None else np.asarray(first_values, np.float64)[order]
    begins_anew = None if anew is None or not anew.any() else np.asarray(anew)[order]
    sorted_values = SortedValues(np.asarray(steps)[order], values, first, begins_anew)
    unique, begin = np.unique(rows, return_index=True)
    stop = np.append(begin[1:], len(rows))

    def roll(part: slice) -> None:
        own = unique[part]
        apart = len(own) <= own[-1] - own[0]
        near = slice(own[0], own[-1] + 1)  # rows that lie together are worked on in place, without a copy
        block = state.take(own) if apart else state.view(near)
        page = ledger and (ledger.take(own) if apart else ledger.view(near))
        fold(block, begin[part].copy(), stop[part], sorted_values, page)
        if apart:
            state.put(own, block)
        if ledger is not None:
            if apart:
                ledger.put(own, page)
            ledger.closed.extend(closed.of_rows(own) for closed in page.closed)

    each(roll, row_blocks(len(unique)))


def row_blocks(rows: int) -> list[slice]:
    """Slices of at most BLOCK rows, about equal in size and the same number for every core."""
    rounds = max(1, -(-rows // (BLOCK * cores())))
    size = max(32, -(-rows // (rounds * cores())))
    return [slice(i, min(i + size, rows)) for i in range(0, rows, size)]
