"""The states of one dataset under one model: written by one thread, read by any without a lock.

The writer works on copies of rows and puts them back between two bumps of a per-row counter; a reader copies the row it
wants and tries again when the counter moved or was odd meanwhile.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from forecasting.rolling.online_scores import SUMS, Ledger, Totals
from forecasting.rolling.recent_scores import continued
from forecasting.rolling.state import RollingState
from forecasting.rolling.vintages import Vintages
from states.model import RollingModel
from states.out_of_order import BEGINNING
from states.row_index import RowIndex
from states.views.closed_vintages import ClosedVintages
from states.views.series_state import RowsNow, SeriesState, SeriesStates, SettledScores

R = TypeVar("R")
FIRST = np.array([0])
CHUNK = 1024  # rows whose vintages are copied at once


@dataclass(frozen=True)
class _Arrays:
    """The arrays that grow together; replaced as a whole.

    They are the first rows of longer ones, with room for series to come, so that a series more does not copy all.
    """

    state: RollingState
    series: np.ndarray  # (n,) int64, surrogate ids
    sequence: np.ndarray  # (n,) int64
    counter: np.ndarray  # (n,) int64, odd while the row is being written, and larger after that
    stale: np.ndarray  # (n,) bool
    settled: np.ndarray  # (n, buckets, sums) float64: see `forecasting.rolling.online_scores`
    recent: np.ndarray  # (n, sums) float64: see `forecasting.rolling.recent_scores`
    unit: np.ndarray  # (n,) float64, MASE's divisor as of the first scored forecast; 0 where there is none
    handed: np.ndarray  # (n,) int64, origin of the newest vintage that was stored, or waits in `States.closed`
    index: RowIndex  # of the series

    def first(self, rows: int, index: RowIndex) -> "_Arrays":
        """The first rows, not a copy."""
        columns = {name: getattr(self, name)[:rows] for name in COLUMNS}
        return _Arrays(self.state.view(slice(rows)), **columns, index=index)

    def with_room(self, room: int) -> "_Arrays":
        """A copy with room for so many rows; room that is never written to takes no memory."""
        columns = {name: _with_room(getattr(self, name), room) for name in COLUMNS}
        state = {name: _with_room(array, room) for name, array in self.state.arrays.items()}
        return _Arrays(type(self.state)(state), **columns, index=self.index)

    def write(self, first: int, more: "_Arrays") -> None:
        """Write rows from row `first` on."""
        rows = slice(first, first + len(more.series))
        for name in COLUMNS:
            getattr(self, name)[rows] = getattr(more, name)
        for name, array in self.state.arrays.items():
            array[rows] = more.state.arrays[name]


# of `_Arrays`, beside state and index
COLUMNS = ("series", "sequence", "counter", "stale", "settled", "recent", "unit", "handed")


def _nobody(series: np.ndarray) -> None:
    """Nobody is told."""


def _with_room(array: np.ndarray, room: int) -> np.ndarray:
    longer = np.empty((room, *array.shape[1:]), array.dtype)
    longer[: len(array)] = array
    return longer


class States:
    """Rolling states by surrogate series id, and the scores of their forecasts.

    Scores are no part of a state: a correction changes the state, never what was settled. `totals` are the sums over
    all series, replaced as a whole.
    """

    def __init__(
        self,
        roller: RollingModel,
        series: np.ndarray,
        state: RollingState,
        sequence: np.ndarray,
        settled: np.ndarray | None = None,
        unit: np.ndarray | None = None,
        recent: np.ndarray | None = None,
        handed: np.ndarray | None = None,
    ) -> None:
        """`state` has one row for each of `series` (n,); `sequence` (n,) is the log position each of them knows;
        `settled`, `unit`, `recent` and `handed` are the scores up to there, and the newest vintage that was stored;
        none unless given."""
        self.roller, self._window = roller, roller.config.window
        self._rows: dict[int, int] = {}
        none = np.zeros(0, np.int64)
        nothing = roller.ledger(0)
        scores = nothing.sums, nothing.recent, np.zeros(0), none
        self._room = self._arrays = _Arrays(
            roller.empty(0), none, none, none, none.astype(bool), *scores, index=RowIndex(none)
        )
        self.totals = Totals.of(nothing.sums, np.zeros(0))
        self.newest = BEGINNING  # newest origin of all series; it never falls
        self.changed: Callable[[np.ndarray], None] = _nobody  # is told the ids of series whose rows were written
        self.dirty: set[int] = set()  # rows written since they were last put into a snapshot
        self.closed = ClosedVintages()
        self._append(series, state, sequence, settled, unit, recent, handed)

    def __len__(self) -> int:
        return len(self._arrays.series)

    def __contains__(self, series: int) -> bool:
        return series in self._rows

    @property
    def series(self) -> np.ndarray:
        """(n,) surrogate ids, in row order."""
        return self._arrays.series

    def begin_scores(self) -> None:
        """Set every score to zero; the units stay. Used by the writer thread only."""
        self._arrays.settled[:] = 0
        self._arrays.recent[:] = 0
        self._arrays.counter[:] += 2
        self.totals = Totals.of(self._arrays.settled, self._arrays.unit)
        self.dirty.update(range(len(self)))

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for array in self._arrays.state.arrays.values()) + self._arrays.settled.nbytes

    def read(self, series: int) -> SeriesState | None:
        """A consistent copy of one series, or None where it has no state."""

        def copy(arrays: _Arrays, row: int) -> SeriesState:
            state = arrays.state.take(np.array([row]))
            silent = bool(self.silent(state, FIRST)[0])
            return SeriesState(state, int(arrays.sequence[row]), bool(arrays.stale[row]), silent)

        return self._read(series, copy)

    def scores(self, series: int) -> SettledScores | None:
        """A consistent copy of the scores of one series; None where it has no state."""

        def copy(arrays: _Arrays, row: int) -> SettledScores:
            only = slice(row, row + 1)
            return SettledScores(Totals.of(arrays.settled[only], arrays.unit[only]), int(arrays.sequence[row]))

        return self._read(series, copy)

    def peek(self) -> RowsNow:
        """All rows as they are now, not copied: the writer may be in the middle of one."""
        arrays = self._arrays
        return RowsNow(arrays.series, arrays.state, arrays.stale, arrays.recent, arrays.counter)

    def _read(self, series: int, copy: Callable[[_Arrays, int], R]) -> R | None:
        row = self._rows.get(series)
        if row is None:
            return None
        while True:
            arrays = self._arrays
            before = arrays.counter[row]
            found = copy(arrays, row)
            if before % 2 == 0 and before == arrays.counter[row]:
                return found
            time.sleep(0)  # lets the writer finish

    def silent(self, state: RollingState, rows: np.ndarray) -> np.ndarray:
        """(k,) bool: has a row (k,) of `state`, which has a value, had none since for longer than the window?

        Counted to the newest origin of all series here, whether the steps since its last value are missing or absent.
        """
        since = self.newest - state.origin[rows] + self.roller.silence(state, rows)
        return np.asarray(since > self._window)

    def at(self, series: int) -> tuple[int, bool, bool] | None:
        """Sequence, staleness and silence of one series: what of it an ETag names. None where it has no state."""
        row = self._rows.get(series)
        if row is None:
            return None
        arrays = self._arrays
        since = self.newest - int(arrays.state.origin[row]) + int(self.roller.silence(arrays.state, np.array([row]))[0])
        silent = since > self._window  # as `silent` says it, without its overhead for one row
        return int(arrays.sequence[row]), bool(arrays.stale[row]), silent

    def rivals(self) -> np.ndarray:
        """(n,) the lag of each series' rival, in row order."""
        return self.roller.rivals(self._arrays.state)

    def rival(self, series: int) -> int:
        """The lag of one series' rival; the usual one where it has no state."""
        row, arrays = self._rows.get(series), self._arrays
        state = self.roller.empty(1) if row is None else arrays.state.view(slice(row, row + 1))
        return int(self.roller.rivals(state)[0])

    def read_all(self, series: Sequence[int]) -> SeriesStates:
        """Consistent copies of several series at once."""
        rows = self._arrays.index.find(np.array(series, np.int64))
        found = np.flatnonzero(rows >= 0)
        rows, arrays = rows[found], self._arrays
        before = arrays.counter[rows]
        state = arrays.state.take(rows)
        silent = self.silent(state, np.arange(len(rows)))
        copies = SeriesStates(found, state, arrays.sequence[rows], arrays.stale[rows], silent)
        for i in np.flatnonzero((before % 2 == 1) | (before != arrays.counter[rows])).tolist():
            again = self.read(series[found[i]])  # the writer was at this one
            if again is not None:
                copies.state.put(np.array([i]), again.state)
                copies.sequence[i], copies.stale[i], copies.silent[i] = again.sequence, again.stale, again.silent
        return copies

    def origins(self, series: np.ndarray) -> np.ndarray:
        """(k,) grid step of each series' origin; `BEGINNING` where no value has been folded in yet.

        Exact in the writer's thread; elsewhere it was so a moment ago.
        """
        arrays = self._arrays
        rows, state = arrays.index.find(series), arrays.state
        if not len(arrays.series):
            return np.full(len(rows), BEGINNING)
        return np.where((rows < 0) | state.blank(rows), BEGINNING, state.origin[rows])

    def sequences(self, series: np.ndarray) -> np.ndarray:
        """(k,) the log position that the state of each of these series knows. Used by the writer thread only."""
        return self._arrays.sequence[self.rows_of(series)]

    def ensure(self, series: np.ndarray) -> None:
        """Give every unknown series an empty state. Used by the writer thread only."""
        missing = np.unique(series[self._arrays.index.find(series) < 0])
        if missing.size:
            self.add(missing, self.roller.empty(len(missing)), np.zeros(len(missing), np.int64))

    def add(
        self,
        series: np.ndarray,
        state: RollingState,
        sequence: np.ndarray,
        settled: np.ndarray | None = None,
        unit: np.ndarray | None = None,
        recent: np.ndarray | None = None,
    ) -> None:
        """Add states (n rows) of series (n,) that have none yet, the log position that each knows, and their scores.

        Used by the writer thread only.
        """
        self._append(series, state, sequence, settled, unit, recent)

    def open_vintages(self, rows: np.ndarray) -> Vintages:
        """The vintages that are open in rows (k,) and were not handed out yet. Used by the writer thread only."""
        found = self.roller.open_vintages(self._arrays.state, rows)
        return found.select(found.origin > self._arrays.handed[found.rows])

    def handed(self, rows: np.ndarray) -> np.ndarray:
        """(k,) copy: the origin of the newest vintage of each row that was handed out."""
        return np.asarray(self._arrays.handed[rows])

    def hand_out(self, vintages: Vintages) -> None:
        """Note that the vintages of these rows are stored. Used by the writer thread only."""
        np.maximum.at(self._arrays.handed, vintages.rows, vintages.origin)

    def forget_vintages(self) -> None:
        """Let no vintage of before now be stored. Used by the writer thread only."""
        self.closed = ClosedVintages()
        for start in range(0, len(self), CHUNK):
            self.hand_out(self.open_vintages(np.arange(start, min(start + CHUNK, len(self)))))

    def find(self, series: np.ndarray) -> np.ndarray:
        """(k,) rows of series; -1 where one has none."""
        return self._arrays.index.find(series)

    def rows_of(self, series: np.ndarray) -> np.ndarray:
        """(k,) rows of series. Raises KeyError where one has none."""
        return self._arrays.index.require(series)

    def copy(self, rows: np.ndarray) -> tuple[RollingState, np.ndarray]:
        """Copies of rows and their sequences. Used by the writer thread only."""
        return self._arrays.state.take(rows), self._arrays.sequence[rows]

    def publish(
        self,
        rows: np.ndarray,
        state: RollingState,
        sequence: np.ndarray,
        ledger: Ledger | None = None,
        whole: bool = False,
    ) -> None:
        """Put rows (distinct) back; a reader sees each either as before or as after. Used by the writer thread only.

        ledger: what was settled on the way, to be added. The rows were folded on from copies of what is here, or with
        `whole` from their beginnings, so that none of them is stale any more.
        """
        arrays = self._arrays
        if whole:
            self._close(self.open_vintages(rows))  # as they were answered: the rows before them are corrected now
        elif ledger is not None:
            for closed in ledger.closed:
                self._close(closed.of_rows(rows))
        arrays.counter[rows] += 1
        (arrays.state.put if whole else arrays.state.put_folded)(rows, state)
        if whole:
            self.hand_out(self.roller.open_vintages(arrays.state, rows))
        self._note_newest(state)
        arrays.sequence[rows] = np.maximum(arrays.sequence[rows], sequence)
        if whole:
            arrays.stale[rows] = False
        self._measure(rows)
        if ledger is not None:
            arrays.settled[rows] += ledger.sums
            settled = ledger.sums[..., SUMS.index("settled")].sum(1)
            arrays.recent[rows] = continued(arrays.recent[rows], settled, ledger.recent)
            self.totals = self.totals.plus(Totals.of(ledger.sums, arrays.unit[rows]))
        arrays.counter[rows] += 1
        self.dirty.update(rows.tolist())
        self.changed(arrays.series[rows])

    def _close(self, vintages: Vintages) -> None:
        """Keep closed vintages that were not handed out until they are stored."""
        fresh = vintages.select(vintages.origin > self._arrays.handed[vintages.rows])
        if len(fresh.rows):
            self.hand_out(fresh)
            self.closed.add(fresh.of_rows(self._arrays.series))

    def advance_sequence(self, rows: np.ndarray, sequence: np.ndarray) -> None:
        """Note log rows that leave the states of these series (distinct) unchanged. Used by the writer thread only."""
        self._arrays.sequence[rows] = np.maximum(self._arrays.sequence[rows], sequence)
        self.dirty.update(rows.tolist())
        self.changed(self._arrays.series[rows])

    def mark_stale(self, rows: np.ndarray) -> None:
        """These rows did not follow the log; their answers say so until they do. Used by the writer thread only."""
        self._arrays.stale[rows] = True
        self._arrays.counter[rows] += 2
        self.dirty.update(rows.tolist())
        self.changed(self._arrays.series[rows])

    def stale_rows(self, rows: np.ndarray) -> np.ndarray:
        """(k,) bool copy: which of these rows did not follow the log."""
        stale: np.ndarray = self._arrays.stale[rows]
        return stale

    @property
    def stale(self) -> int:
        """Number of series whose state did not follow the log."""
        return int(self._arrays.stale.sum())

    def settled(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Copies of the sums and the MASE divisors of rows. Used by the writer thread only."""
        return self._arrays.settled[rows], self._arrays.unit[rows]

    def recent(self, rows: np.ndarray) -> np.ndarray:
        """(k, len(RECENT)) copy of the recent sums of rows. Used by the writer thread only."""
        return np.asarray(self._arrays.recent[rows])

    def _note_newest(self, state: RollingState) -> None:
        """Take note of the newest origin of a state's rows that have one."""
        if int(state.origin.max(initial=BEGINNING)) > self.newest:
            begun = ~state.blank(np.arange(len(state)))
            self.newest = max(self.newest, int(state.origin.max(initial=BEGINNING, where=begun)))

    def measure_anew(self, rows: np.ndarray) -> None:
        """Forget the units of rows (distinct), whose series are at another level now: each is measured again.

        Used by the writer thread only.
        """
        arrays = self._arrays
        before = Totals.of(arrays.settled[rows], arrays.unit[rows])
        self.totals = Totals(self.totals.raw, self.totals.scaled - before.scaled)
        arrays.unit[rows] = 0
        self.dirty.update(rows.tolist())

    def _measure(self, rows: np.ndarray) -> None:
        """Give rows their unit as soon as the model can say it; it stays until the series shifts."""
        arrays = self._arrays
        unmeasured = rows[arrays.unit[rows] == 0]
        if not unmeasured.size:
            return
        units = self.roller.measure(arrays.state, unmeasured)
        fresh = unmeasured[units > 0]
        if fresh.size:
            arrays.unit[fresh] = units[units > 0]
            before = Totals.of(arrays.settled[fresh], arrays.unit[fresh])
            self.totals = Totals(self.totals.raw, self.totals.scaled + before.scaled)

    def _append(
        self,
        series: np.ndarray,
        state: RollingState,
        sequence: np.ndarray,
        settled: np.ndarray | None = None,
        unit: np.ndarray | None = None,
        recent: np.ndarray | None = None,
        handed: np.ndarray | None = None,
    ) -> None:
        first, more = len(self), len(series)
        last, index = first + more, self._arrays.index.plus(series)
        ledger = self.roller.ledger(more)
        sums = ledger.sums if settled is None else settled
        late = ledger.recent if recent is None else recent
        zeros, fresh = np.zeros(more, np.int64), np.zeros(more) if unit is None else unit
        given = np.full(more, BEGINNING) if handed is None else handed
        added = _Arrays(state, series, sequence, zeros, zeros.astype(bool), sums, late, fresh, given, index)
        if not first:
            self._room = added
        else:
            if last > len(self._room.series):
                self._room = self._arrays.with_room(2 * last)
            self._room.write(first, added)
        self._arrays = self._room.first(last, index)
        self._note_newest(state)
        self.totals = self.totals.plus(Totals.of(sums, self._arrays.unit[first:]))
        self._measure(np.arange(first, first + more))
        self._rows.update(zip(series.tolist(), range(first, first + more), strict=True))
        self.dirty.update(range(first, first + more))
