"""The last rows of each series, with which the rules `jump` and `stale` compare a new value."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from data.records.series_limits import NEIGHBOURS

NEVER = -(2**62)  # step of a row that there is not


@dataclass
class RecentRows:
    """Of n series, in the order of their limits.

    steps   (n, 5) int64, of the last rows, ascending
    values  (n, 5) float64, NaN where missing or held for another rule than jump and stale
    last    (n,) float64, the newest value as it came, NaN where missing
    equal   (n,) int64, how many rows up to the newest have that value
    """

    steps: np.ndarray
    values: np.ndarray
    last: np.ndarray
    equal: np.ndarray

    @classmethod
    def of(cls, stored: Sequence[str]) -> "RecentRows":
        """From the `recent` of limits."""
        n = len(stored)
        found = cls(
            np.full((n, NEIGHBOURS), NEVER), np.full((n, NEIGHBOURS), np.nan), np.full(n, np.nan), np.ones(n, int)
        )
        for row, text in enumerate(stored):
            steps, values, last, equal = json.loads(text)
            found.steps[row, NEIGHBOURS - len(steps) :] = steps
            found.values[row, NEIGHBOURS - len(steps) :] = [np.nan if value is None else value for value in values]
            found.last[row], found.equal[row] = np.nan if last is None else last, equal
        return found

    def append(self, stored: Sequence[str]) -> None:
        """Add series."""
        more = RecentRows.of(stored)
        for name, array in vars(self).items():
            setattr(self, name, np.concatenate([array, getattr(more, name)]))

    def judge(
        self,
        at: np.ndarray,
        steps: np.ndarray,
        values: np.ndarray,
        hidden: np.ndarray,
        max_jump: float | None,
        max_stale: int | None,
    ) -> np.ndarray:
        """(k,) 1 for each value that breaks the rule `jump`, 2 for `stale`, else 0.

        at (k,) row of each value's series, -1 for a series that is not judged; hidden (k,) bool: it breaks another
        rule. Nothing changes.
        """
        found = np.zeros(len(at), np.int64)
        own = np.unique(at[at >= 0])
        copy = RecentRows(*(array[own] for array in vars(self).values()))
        for turn in _turns(at):
            turn = turn[at[turn] >= 0]
            here, step, value = np.searchsorted(own, at[turn]), steps[turn], values[turn]
            if max_jump is not None:
                found[turn] = np.abs(value - copy.median_before(here, step)) > max_jump
            if max_stale is not None:
                repeats = np.where(value == copy.last[here], copy.equal[here] + 1, 1)
                stale = (repeats > max_stale) & (step > copy.steps[here, -1]) & ~np.isnan(value)
                found[turn] = np.where((found[turn] == 0) & stale, 2, found[turn])
            copy._push(here, step, value, hidden[turn])
        return found

    def median_before(self, at: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """(k,) median of the values before each step; NaN without any."""
        known = np.where(self.steps[at] < steps[:, None], self.values[at], np.nan)
        ordered, count = np.sort(known, axis=1), (~np.isnan(known)).sum(1)
        rows, last = np.arange(len(at)), np.maximum(count - 1, 0)
        middle: np.ndarray = (ordered[rows, last // 2] + ordered[rows, (last + 1) // 2]) / 2
        return middle

    def push(self, at: np.ndarray, steps: np.ndarray, values: np.ndarray, hidden: Sequence[int]) -> None:
        """Take in values (k,), oldest first within each series; `hidden`: places of those that do not count."""
        unseen = np.zeros(len(at), bool)
        unseen[list(hidden)] = True
        for turn in _turns(at):
            mine = turn[at[turn] >= 0]
            self._push(at[mine], steps[mine], values[mine], unseen[mine])

    def _push(self, at: np.ndarray, steps: np.ndarray, values: np.ndarray, hidden: np.ndarray) -> None:
        """`push` for rows of different series."""
        counted = np.where(hidden, np.nan, values)
        row, column = np.nonzero(self.steps[at] == steps[:, None])  # a correction
        self.values[at[row], column] = counted[row]
        newer = steps > self.steps[at, -1]
        at, steps, values, counted = at[newer], steps[newer], values[newer], counted[newer]
        self.steps[at] = np.column_stack([self.steps[at, 1:], steps])
        self.values[at] = np.column_stack([self.values[at, 1:], counted])
        self.equal[at] = np.where(values == self.last[at], self.equal[at] + 1, 1)
        self.last[at] = values


def _turns(at: np.ndarray) -> Iterator[np.ndarray]:
    """The places of the first value of each series, then of the second, and so on."""
    order = np.argsort(at, kind="stable")
    begins = np.flatnonzero(np.diff(at[order], prepend=-2) != 0)
    turn = np.empty(len(at), np.int64)
    turn[order] = np.arange(len(at)) - np.repeat(begins, np.diff(np.append(begins, len(at))))
    for number in range(int(turn.max(initial=-1)) + 1):
        yield np.flatnonzero(turn == number)
