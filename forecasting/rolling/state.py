"""The state of N series as named arrays, for every kind of model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

# What a value changes beside the values: nothing; forecasts made before it are compared no further; or the state begins
# with it, because the series is at another level from then on.
GOES_ON, FORECASTS_ANEW, STATE_ANEW = 0, 1, 2


@dataclass
class RollingState:
    """What is kept of N series so that their past is not read again; every array has N rows.

    A model adds arrays of its own to these four:

    origin      (N,) int64, grid step of the last value folded in
    observed    (N,) int64, real values since the anchor
    imputed     (N,) int64, missing steps since the anchor
    reanchored  (N,) int64, restarts after a silence
    """

    arrays: dict[str, np.ndarray]

    def __post_init__(self) -> None:
        vars(self).update(self.arrays)  # an array is found by its name as fast as any attribute: a step asks often

    def __len__(self) -> int:
        return len(self.arrays["origin"])

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> np.ndarray: ...

    def blank(self, rows: np.ndarray) -> np.ndarray:
        """(k,) bool: has a row (k,) taken in no value yet? It has no origin then."""
        return np.asarray((self.observed[rows] == 0) & (self.imputed[rows] == 0))

    def take(self, rows: np.ndarray) -> Self:
        """A copy of some rows."""
        return type(self)({name: value[rows] for name, value in self.arrays.items()})

    def view(self, rows: slice) -> Self:
        """The same rows, not a copy: what is written there is written here."""
        return type(self)({name: value[rows] for name, value in self.arrays.items()})

    def put(self, rows: np.ndarray, other: RollingState) -> None:
        """Write rows back in place."""
        for name, value in self.arrays.items():
            value[rows] = other.arrays[name]

    def put_folded(self, rows: np.ndarray, later: RollingState) -> None:
        """`put` where `later` (k rows) was folded on from a copy of these rows (k,), distinct.

        A model whose arrays change seldom can leave out what is the same.
        """
        self.put(rows, later)

    def append(self, other: RollingState) -> Self:
        """These rows, then the other's."""
        return type(self)({name: np.concatenate([value, other.arrays[name]]) for name, value in self.arrays.items()})
