"""The outcome of an observation: decided by the order of arrival and the values already stored, never by the clock."""

from collections.abc import Mapping
from enum import StrEnum

import numpy as np


class Outcome(StrEnum):
    """What was done with one row."""

    APPLIED = "applied"  # newer than the series' origin: stored, and the state advanced
    DUPLICATE = "duplicate"  # known already with the same value: nothing is stored, no state changes
    CORRECTED = "corrected"  # known with another value: stored as its newer revision, and the state rebuilt on it
    LATE = "late"  # older than the origin and not known: stored, and the state rebuilt if it began before the row
    QUARANTINED = "quarantined"  # broke a quality rule: kept, and states take it as missing until it is released
    IGNORED = "ignored"  # of a closed day, without a value or with that of the step before: nothing is stored
    REJECTED = "rejected"  # refused when the request was read: not stored, and the answer gives the reason


SeriesStep = tuple[int, int]  # (row, grid step)


def decide_outcomes(
    rows: np.ndarray,
    steps: np.ndarray,
    values: np.ndarray,
    origins: np.ndarray,
    known: Mapping[SeriesStep, float],
    unknown: Outcome = Outcome.LATE,
) -> list[Outcome]:
    """One outcome for each row, as if the rows had arrived one by one.

    rows (k,) series of each row; steps (k,) grid steps; values (k,), NaN = missing: all in order of arrival. origins
    (k,): grid step of each series' origin before the first row. known: the values already stored at steps up to these
    origins. unknown: the outcome of a step that is neither newer than the origin nor known.
    """
    if _all_newer(rows, steps, origins):
        return [Outcome.APPLIED] * len(rows)
    reached: dict[int, int] = {}  # by series, the newest step so far
    held = dict(known)
    outcomes = []
    for row, step, value, origin in zip(rows.tolist(), steps.tolist(), values.tolist(), origins.tolist(), strict=True):
        key = (row, step)
        if step > reached.get(row, origin):
            reached[row] = step
            outcome = Outcome.APPLIED
        elif key not in held:
            outcome = unknown
        else:
            outcome = Outcome.DUPLICATE if equal_or_both_missing(held[key], value) else Outcome.CORRECTED
        held[key] = value
        outcomes.append(outcome)
    return outcomes


def _all_newer(rows: np.ndarray, steps: np.ndarray, origins: np.ndarray) -> bool:
    """The common case: every series' steps come in ascending order, all after its origin."""
    if not (steps > origins).all():
        return False
    order = np.argsort(rows, kind="stable")  # arrival order within each row
    same_row = np.diff(rows[order]) == 0
    return bool((np.diff(steps[order])[same_row] > 0).all())


def equal_or_both_missing(first: float, second: float) -> bool:
    return first == second or (first != first and second != second)
