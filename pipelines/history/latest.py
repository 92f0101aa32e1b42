"""Which steps of every series to read where a dataset holds more of them than may be read."""

from __future__ import annotations

import numpy as np


def longest_read(lengths: np.ndarray, most: int) -> int:
    """The number of steps to which longer series are cut, so that all of `lengths` (n,) together have at most `most`;
    whole series stay whole, and every series keeps a step.

    The longest length where nothing has to be cut.
    """
    ordered = np.sort(lengths)
    if not len(ordered) or ordered.sum() <= most:
        return int(ordered[-1]) if len(ordered) else 0
    left = len(ordered) - np.arange(len(ordered))  # series that are at least as long, this one included
    before = np.cumsum(ordered) - ordered
    cut = int(np.argmax(before + left * ordered > most))  # the shortest series that cannot stay whole
    return max(1, int((most - before[cut]) // left[cut]))


def sentence(lengths: np.ndarray, most: int) -> str | None:
    """What is read of series of `lengths` (n,), for people; None where it is everything."""
    longest, total = longest_read(lengths, most), int(lengths.sum())
    if total <= most:
        return None
    read, cut = int(np.minimum(lengths, longest).sum()), int((lengths > longest).sum())
    return (
        f"reads {read:,} of {total:,} steps: {len(lengths) - cut:,} series whole, and of {cut:,} longer ones the last "
        f"{longest:,} steps; --max-values reads more"
    )
