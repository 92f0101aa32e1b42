"""Which older states of a series are still valid: those whose past no correction or late row has changed since."""

import numpy as np

BEGINNING = -(2**62)  # grid step before every other
MOST = 32  # rows noted for one series


class OutOfOrder:
    """For each series, its rows of the log that came out of order, as (position in the log, grid step).

    A row is removed when a later one has the same or an earlier step. So the list of a series ascends in both numbers
    and stays short. Used by the writer thread only.
    """

    def __init__(self) -> None:
        self._noted: dict[int, list[tuple[int, int]]] = {}

    def note(self, series: np.ndarray, steps: np.ndarray, sequence: np.ndarray) -> None:
        """Note rows (k,) of the log, in any order, that are not newer than their series' origin."""
        for number, step, seq in sorted(
            zip(series.tolist(), steps.tolist(), sequence.tolist(), strict=True), key=lambda row: row[2]
        ):
            noted = self._noted.setdefault(number, [])
            while noted and noted[-1][1] >= step:
                noted.pop()
            noted.append((seq, step))
            if len(noted) > MOST:  # joined: the later position, the earlier step; so more states count as changed
                noted[:2] = [(noted[1][0], noted[0][1])]

    def forget(self, series: np.ndarray, seq: int) -> None:
        """Treat every older state of these series as changed: what came before this position is not known."""
        self.note(series, np.full(len(series), BEGINNING), np.full(len(series), seq))

    def holds(self, series: int, seq: int, origin: int) -> bool:
        """Is the series' state after row `seq`, with this origin, still the fold of the log up to that origin?"""
        changed = (step for position, step in self._noted.get(series, ()) if position > seq)
        return next(changed, origin + 1) > origin

    def pack(self, series: np.ndarray) -> np.ndarray:
        """(m, 3) int64: series, position, step of everything noted for these series."""
        rows = [(number, *entry) for number in series.tolist() for entry in self._noted.get(number, ())]
        return np.array(rows, np.int64).reshape(-1, 3)

    def unpack(self, rows: np.ndarray) -> None:
        """Add what `pack` returned."""
        for number, seq, step in rows.tolist():
            self._noted.setdefault(number, []).append((seq, step))
