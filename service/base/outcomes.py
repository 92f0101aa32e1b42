"""What becomes of an observation: decided by arrival order and by what is known already, never by the clock."""

from collections.abc import Mapping
from enum import StrEnum

import numpy as np


class Outcome(StrEnum):
    """The answer for one row."""

    APPLIED = "applied"  # newer than the series' origin: stored, and the state advanced
    DUPLICATE = "duplicate"  # known already with this very value: nothing stored, nothing moved
    CORRECTED = "corrected"  # known with another value: stored as its newer revision, and the state rebuilt on it
    LATE = "late"  # older than the origin and not known before: stored, and the state rebuilt where it reaches
    REJECTED = "rejected"  # refused before it came here: nothing stored, and the answer says why


SeriesStep = tuple[int, int]  # (row, grid step)


def decide_outcomes(
    rows: np.ndarray,
    steps: np.ndarray,
    values: np.ndarray,
    origins: np.ndarray,
    known: Mapping[SeriesStep, float],
    unknown: Outcome = Outcome.LATE,
) -> list[Outcome]:
    """One outcome for each arrival, as if they had come one by one.

    rows, steps, values (k,) in arrival order, NaN = missing; origins (k,) grid step of each row's origin before the
    first of them; `known` holds the values already stored at steps up to those origins. A step that is not newer than
    the origin and not known becomes `unknown`.
    """
    if _all_newer(rows, steps, origins):
        return [Outcome.APPLIED] * len(rows)
    reached: dict[int, int] = {}
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


def equal_or_both_missing(one: float, other: float) -> bool:
    """Equal, or both missing."""
    return one == other or (one != one and other != other)
