"""The outcome of a row depends only on what was known before it."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from service.base.outcomes import Outcome, decide_outcomes

A, D, C, L = Outcome.APPLIED, Outcome.DUPLICATE, Outcome.CORRECTED, Outcome.LATE
NAN = float("nan")


def outcomes_of(arrivals, origins=None, known=None):
    """arrivals: (series, step, value); every origin is step 10 unless given."""
    rows, steps, values = (np.array(column) for column in zip(*arrivals, strict=True))
    before = np.array([(origins or {}).get(row, 10) for row in rows.tolist()])
    return decide_outcomes(rows, steps, values.astype(float), before, known or {})


def test_rows_newer_than_the_origin_are_applied():
    assert outcomes_of([(0, 11, 1.0), (0, 12, 2.0), (1, 15, 3.0)]) == [A, A, A]


def test_the_same_row_twice_is_applied_once():
    assert outcomes_of([(0, 11, 1.0), (0, 11, 1.0)]) == [A, D]
    assert outcomes_of([(0, 11, NAN), (0, 11, NAN)]) == [A, D]


def test_another_value_for_a_known_step_corrects_it():
    assert outcomes_of([(0, 11, 1.0), (0, 11, 2.0), (0, 11, 2.0)]) == [A, C, D]
    assert outcomes_of([(0, 9, 5.0)], known={(0, 9): 4.0}) == [C]


def test_an_older_step_that_is_not_known_is_late():
    assert outcomes_of([(0, 12, 1.0), (0, 11, 2.0), (0, 5, 3.0)], known={}) == [A, L, L]


def test_series_do_not_affect_each_other():
    assert outcomes_of([(0, 11, 1.0), (1, 11, 1.0), (1, 3, 1.0)], origins={1: 2}) == [A, A, L]


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(8, 14), st.sampled_from([1.0, 2.0, NAN])), min_size=1, max_size=30
    ),
    st.integers(0, 30),
)
def test_outcomes_do_not_depend_on_how_rows_are_batched(arrivals, cut):
    """Decided at once, or in two batches, the second of which knows the rows of the first."""
    first, second = arrivals[:cut], arrivals[cut:]
    origins, known = dict.fromkeys(range(3), 10), {}
    for row, step, value in first:
        known[row, step] = value
        origins[row] = max(origins[row], step)
    in_two = [*(outcomes_of(first) if first else []), *(outcomes_of(second, origins, known) if second else [])]
    assert outcomes_of(arrivals) == in_two


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(8, 14), st.sampled_from([1.0, NAN])), min_size=1, max_size=30))
def test_a_list_with_each_step_once_is_all_duplicates_when_sent_again(arrivals):
    once = list({(row, step): value for row, step, value in arrivals}.items())
    sent = [(row, step, value) for (row, step), value in once]
    again = outcomes_of(sent + sent)[len(sent) :]
    assert again == [D] * len(sent)
    assert all(not math.isinf(value) for *_, value in sent)
