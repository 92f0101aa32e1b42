"""The trouble of every series of a dataset, kept: that of a row which has not changed since is not worked out again."""

from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import NamedTuple
from weakref import ReferenceType, ref

import numpy as np

from states.champion import Champion
from states.states import States
from states.views.trouble import trouble_of


class TroubleNow(NamedTuple):
    """The trouble of N series; the columns are as in `Troubles`."""

    series: np.ndarray
    kind: np.ndarray
    size: np.ndarray


@dataclass(frozen=True)
class _Look:
    """What trouble is worked out from."""

    states: ReferenceType[States]  # those of a version that was replaced free their memory
    newest: int  # step of the dataset, up to which silence counts
    damaged: bool  # whether the model answers in place of a damaged one
    held: Mapping[int, int]  # by series: its last values in quarantine
    counter: np.ndarray  # (N,) of the rows: see `RowsNow`

    def changed_since(self, before: "_Look") -> np.ndarray:
        """(k,) ascending: the rows that are to be looked at again."""
        states = self.states()
        same = (self.newest, self.damaged) == (before.newest, before.damaged)
        if states is None or states is not before.states() or not same:
            return np.arange(len(self.counter))
        known = len(before.counter)
        written = np.flatnonzero(self.counter[:known] != before.counter)
        counts = self.held.keys() | before.held.keys()
        moved = [series for series in counts if self.held.get(series) != before.held.get(series)]
        rows = states.find(np.array(moved, np.int64))
        rows = rows[(rows >= 0) & (rows < len(self.counter))]
        return np.unique(np.concatenate([written, np.arange(known, len(self.counter)), rows]))


class KeptTrouble:
    """Used from any thread. `worked_out` is the number of rows that were worked out at the last look."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._look: _Look | None = None
        self._kind, self._size = np.zeros(0, np.int8), np.zeros(0)
        self.worked_out = 0

    def now(self, champion: Champion, held: Mapping[int, int]) -> TroubleNow:
        """The trouble of every series, as `states.views.trouble.trouble` says it."""
        with self._lock:
            newest, rows = champion.states.newest, champion.states.peek()
            look = _Look(ref(champion.states), newest, champion.replaces_damaged, held, rows.counter.copy())
            changed = look.changed_since(self._look) if self._look else np.arange(len(rows.series))
            if len(changed):
                self._kind, self._size = (_resized(each, len(rows.series)) for each in (self._kind, self._size))
                self._kind[changed], self._size[changed] = trouble_of(champion, rows, changed, held)
            self._look, self.worked_out = look, len(changed)
            return TroubleNow(rows.series, self._kind, self._size)


def _resized(array: np.ndarray, rows: int) -> np.ndarray:
    """A copy with so many rows: an answer may still read the array itself."""
    copy = np.zeros(rows, array.dtype)
    known = min(rows, len(array))
    copy[:known] = array[:known]
    return copy
