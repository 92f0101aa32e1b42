"""Where a dataset holds more than may be read, whole series stay whole and longer ones keep their latest steps."""

import numpy as np
import pytest

from pipelines.history.ends import longest_read, reading_sentence


@pytest.mark.parametrize(
    ("lengths", "most", "longest"),
    [([5, 10], 15, 10), ([5, 10], 14, 9), ([5, 10], 8, 4), ([1, 2, 100], 53, 50), ([3, 3, 3], 2, 1), ([], 10, 0)],
)
def test_longer_series_are_cut_to_what_is_left(lengths: list[int], most: int, longest: int) -> None:
    assert longest_read(np.array(lengths, np.int64), most) == longest


def test_the_sentence_says_what_is_read_and_nothing_where_it_is_everything() -> None:
    lengths = np.array([10, 20, 4_000, 8_000])
    assert reading_sentence(lengths, 20_000) is None
    assert reading_sentence(lengths, 2_030) == (
        "reads 2,030 of 12,030 steps: 2 series whole, and of 2 longer ones the last 1,000 steps; "
        "--max-values reads more"
    )
