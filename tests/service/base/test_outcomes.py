"""The outcome of a row depends on what was known before it, and on nothing else."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from service.base.outcomes import Outcome, decide_outcomes

A, D, C, L = Outcome.APPLIED, Outcome.DUPLICATE, Outcome.CORRECTED, Outcome.LATE
NAN = float("nan")


def judged(arrivals, origins=None, known=None):
    """`arrivals` are (row, step, value); every origin is step 10 unless said."""
    rows, steps, values = (np.array(column) for column in zip(*arrivals, strict=True))
    before = np.array([(origins or {}).get(row, 10) for row in rows.tolist()])
    return decide_outcomes(rows, steps, values.astype(float), before, known or {})


def test_what_is_newer_than_the_origin_is_applied():
    assert judged([(0, 11, 1.0), (0, 12, 2.0), (1, 15, 3.0)]) == [A, A, A]


def test_the_same_row_twice_is_applied_once():
    assert judged([(0, 11, 1.0), (0, 11, 1.0)]) == [A, D]
    assert judged([(0, 11, NAN), (0, 11, NAN)]) == [A, D]


def test_another_value_for_a_known_step_corrects_it():
    assert judged([(0, 11, 1.0), (0, 11, 2.0), (0, 11, 2.0)]) == [A, C, D]
    assert judged([(0, 9, 5.0)], known={(0, 9): 4.0}) == [C]


def test_an_older_step_that_is_not_known_is_late():
    assert judged([(0, 12, 1.0), (0, 11, 2.0), (0, 5, 3.0)], known={}) == [A, L, L]


def test_one_series_says_nothing_about_another():
    assert judged([(0, 11, 1.0), (1, 11, 1.0), (1, 3, 1.0)], origins={1: 2}) == [A, A, L]


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(8, 14), st.sampled_from([1.0, 2.0, NAN])), min_size=1, max_size=30
    ),
    st.integers(0, 30),
)
def test_outcomes_do_not_depend_on_what_queued_in_one_batch(arrivals, cut):
    """Judged at once, or in two batches of which the second knows what the first left behind."""
    first, second = arrivals[:cut], arrivals[cut:]
    origins, known = dict.fromkeys(range(3), 10), {}
    for row, step, value in first:
        known[row, step] = value
        origins[row] = max(origins[row], step)
    apart = [*(judged(first) if first else []), *(judged(second, origins, known) if second else [])]
    assert judged(arrivals) == apart


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(8, 14), st.sampled_from([1.0, NAN])), min_size=1, max_size=30))
def test_a_list_sent_again_is_all_duplicates_when_each_step_came_once(arrivals):
    once = list({(row, step): value for row, step, value in arrivals}.items())
    sent = [(row, step, value) for (row, step), value in once]
    again = judged(sent + sent)[len(sent) :]
    assert again == [D] * len(sent)
    assert all(not math.isinf(value) for *_, value in sent)
