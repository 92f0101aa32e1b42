"""Which older states of a series still hold: those whose past no correction or late row has changed since."""

import numpy as np

BEGINNING = -(2**62)  # grid step before every other
MOST = 32  # steps of one series' staircase


class Amendments:
    """For each series, the rows of the log that came out of order: position in the log, and grid step.

    Of two rows the later one alone counts where its step is the earlier; so each series keeps a short staircase,
    ascending in both. Writer only.
    """

    def __init__(self) -> None:
        self._stairs: dict[int, list[tuple[int, int]]] = {}

    def note(self, series: np.ndarray, steps: np.ndarray, sequence: np.ndarray) -> None:
        """These rows (k,) of the log, in any order, reach back behind their series' origin."""
        for one, step, seq in sorted(
            zip(series.tolist(), steps.tolist(), sequence.tolist(), strict=True), key=lambda row: row[2]
        ):
            stairs = self._stairs.setdefault(one, [])
            while stairs and stairs[-1][1] >= step:
                stairs.pop()
            stairs.append((seq, step))
            if len(stairs) > MOST:  # say that the second came as early as the first: too strict, never too lax
                stairs[:2] = [(stairs[1][0], stairs[0][1])]

    def forget(self, series: np.ndarray, seq: int) -> None:
        """Nothing is known of what changed before this position: no older state of these series holds."""
        self.note(series, np.full(len(series), BEGINNING), np.full(len(series), seq))

    def hold(self, series: int, seq: int, origin: int) -> bool:
        """Is the series' state after row `seq`, with this origin, still what the log says up to that origin?"""
        changed = (step for position, step in self._stairs.get(series, ()) if position > seq)
        return next(changed, origin + 1) > origin

    def pack(self, series: np.ndarray) -> np.ndarray:
        """(m, 3) int64: series, position, step of everything noted for these series."""
        rows = [(one, *stair) for one in series.tolist() for stair in self._stairs.get(one, ())]
        return np.array(rows, np.int64).reshape(-1, 3)

    def unpack(self, rows: np.ndarray) -> None:
        """Take in what `pack` gave."""
        for one, seq, step in rows.tolist():
            self._stairs.setdefault(one, []).append((seq, step))
