"""Rolls the engine of experts behind the contract of every rolling model, with its scored vintages and intervals."""

from collections.abc import Mapping

import numpy as np

from forecasting.kernel.recurrent import Gates
from forecasting.kernel.threads import each
from forecasting.rolling import conformal, online_scores
from forecasting.rolling.bundle import Bundle
from forecasting.rolling.fold_rows import row_blocks
from forecasting.rolling.online_scores import AT_REST, Ledger
from forecasting.rolling.roller import UNKNOWN, NumericState, Roller, Scoring
from forecasting.universal.engine import Engine
from forecasting.universal.layout import CLOCK, LAST, UNIT, StateLayout
from forecasting.universal.learning import shift
from forecasting.universal.network import network_of

ONLY = np.zeros(1, np.int64)


class UniversalState(NumericState):
    """The state of N series under the engine of experts. Beside the arrays of every state, and the scored forecasts as
    in `NumericState`, it has

    ring     (N, R) float64, the last values; that of grid step t at t mod R; a missing one is the value before it
    numbers  (N, D) float64, what is in data units: places in `forecasting.universal.layout`
    profile  (N, 2, bins) float32, slow and fast means of the phases of each cycle; met (N, bins) uint8 their rounds
    pending  (N, 2 K - 1, experts + 1) float32, open forecasts at each lead, the mix last
    error    (N, 2, K, experts + 1) float32, mean absolute errors at two rates; count (N, K, experts + 1) uint8
    spread   (N, phases) float32, the scale by phase; shape (N, L) float32, distances of the quantiles
    gap      (N,) int32, steps since the last value, at most the window + 1
    """


class UniversalRoller(Roller):
    """The shipped version, or one tuned from it, ready to roll. It answers from the first value on."""

    carried = ("widening", "rival")

    def __init__(self, bundle: Bundle) -> None:
        self.config, self.fingerprint = bundle.config, bundle.fingerprint
        own = StateLayout(self.config.cycles, self.config.horizon)
        prior, start = (np.asarray(bundle.weights[name], np.float64) for name in ("prior", "start"))
        self._engine = Engine(own, prior, start, self.config.window, network_of(bundle.weights))
        self._ring, self._bucket = own.ring, self.config.bucket_of_step()
        self._rate, self._half = bundle.calibration.rate, self.config.horizon // 2
        self._handed_out = online_scores.positions(self.config).wql
        usual = int((bundle.manifest.get("rivals") or {}).get("usual", self.config.skip_lag))
        self._usual_rival = usual if 1 <= usual <= self._ring else 1

    def empty(self, rows: int) -> UniversalState:
        """States before any value. The first value folded in becomes the anchor of its row and gives it an origin."""
        c = self.config
        arrays = self._engine.empty(rows)
        scored = {
            "vintage": np.zeros((rows, len(c.levels), c.horizon), np.float32),
            "age": np.full(rows, -1, np.int32),
            "opened": np.full(rows, UNKNOWN),
            "halfway": np.full((rows, 2, c.horizon), np.inf, np.float32),
            "rival": np.full(rows, self._usual_rival, np.int32),
            "naive": np.zeros((rows, min(self._ring, c.horizon)), np.float32),
            "widening": np.zeros((rows, c.buckets), np.float32),
        }
        return UniversalState({**arrays, **scored})

    def restore(self, arrays: dict[str, np.ndarray]) -> UniversalState:
        """The state whose arrays a snapshot holds."""
        return UniversalState(arrays)

    def measure(self, state: NumericState, rows: np.ndarray) -> np.ndarray:
        """(k,) the unit of MASE of rows (k,): the mean change over a round of the ring, or over a step without one."""
        unit, size = state.numbers[rows, UNIT], np.abs(state.numbers[rows, LAST])
        return np.where((state.age[rows] >= 0) & (unit > AT_REST * size), unit, 0.0)

    def warm_up(self) -> None:
        """Compile the loops that the first value would otherwise wait for."""
        once = np.zeros(1, np.int64)
        self.fold(self.empty(1), once, once, np.zeros(1), self.ledger(1))

    def _start(self, context: np.ndarray, origin: np.ndarray, carried: Mapping[str, np.ndarray]) -> UniversalState:
        state = self.empty(len(context))
        state.origin[:] = origin - context.shape[1]
        self._engine.advance_here(state.arrays, np.ascontiguousarray(context, np.float64))
        state.imputed[:] = 0
        for name, array in carried.items():
            state.arrays[name][:] = array
        state.rival[:] = np.where((state.rival >= 1) & (state.rival <= self._ring), state.rival, self._usual_rival)
        self._open_vintages(state, np.flatnonzero(self._answers(state)))
        return state

    def fold(
        self,
        state: NumericState,
        rows: np.ndarray,
        steps: np.ndarray,
        values: np.ndarray,
        ledger: Ledger | None = None,
        first_values: np.ndarray | None = None,
        anew: np.ndarray | None = None,
    ) -> None:
        """See `Roller.fold`. A single value of the next step, the usual case of a request, goes straight in."""
        if len(rows) != 1 or not self._is_next(state, int(rows[0]), int(steps[0])) or (anew is not None and anew[0]):
            super().fold(state, rows, steps, values, ledger, first_values, anew)
            return
        only = slice(int(rows[0]), int(rows[0]) + 1)
        value = np.array([values[0]], np.float64)
        page = None if ledger is None else ledger.view(only)
        first = value if first_values is None else np.array([first_values[0]], np.float64)
        self._step(state.view(only), value, None if page is None else Scoring(page, ONLY, first))
        if ledger is not None and page is not None and page.closed:
            ledger.closed.extend(closed.of_rows(np.array([only.start])) for closed in page.closed)

    def _is_next(self, state: NumericState, row: int, step: int) -> bool:
        running = state.observed[row] > 0 and state.gap[row] <= self.config.window
        return bool(running and state.origin[row] + 1 == step)

    def _answers(self, state: NumericState) -> np.ndarray:
        """(n,) bool: is the clock of each row running: has it a value, and no silence longer than the window?"""
        return np.asarray((state.observed > 0) & (state.gap <= self.config.window))

    def _anchor(self, state: NumericState, due: np.ndarray, value: np.ndarray, scoring: Scoring | None) -> None:
        """Move rows whose clock stands to just before step `due`: those without a value, and those silent for long."""
        stands = ~self._answers(state)
        if not stands.any():
            return
        rows = np.flatnonzero(stands)
        state.imputed[rows] += np.where(state.observed[rows] > 0, due[rows] - 1 - state.origin[rows], 0)
        state.origin[rows] = due[rows] - 1

    def _restart(self, state: NumericState, rows: np.ndarray, due: np.ndarray, value: np.ndarray) -> None:
        """Let the levels of rows (k,) begin anew with their value (n,): the series is at another level from now on."""
        for row in rows[~np.isnan(value[rows])].tolist():
            shift(state.numbers[row], value[row])
            state.numbers[row, CLOCK] = 0
            state.pending[row] = np.nan
            state.reanchored[row] += 1

    def _step(self, state: NumericState, values: np.ndarray, arrivals: Scoring | None = None) -> list[Gates]:
        """One grid step for every row: settle the forecasts of this step, take in the value, forecast again if due."""
        if arrivals is not None:  # score the open forecasts first; `conformal.settle` makes them one step older
            arrivals.ledger.settle(
                arrivals.rows, arrivals.first_values, state.vintage, state.naive, state.rival, state.age
            )
        conformal.settle(values, state.vintage, state.halfway, state.age, state.widening, self._bucket, self._rate)
        self._engine.advance_here(state.arrays, values[:, None])
        if self._half and (state.age == self._half).any():
            self._forecast_halfway(state, arrivals)
        silent = state.gap > self.config.window
        due = (state.age < 0) | (state.age >= self.config.horizon) | silent
        if due.any():
            self._begin_vintages(state, due, silent, arrivals)
        return []

    def _begin_vintages(
        self, state: NumericState, due: np.ndarray, silent: np.ndarray, arrivals: Scoring | None
    ) -> None:
        """Close what is open in rows that are due (n,) bool, and open the next vintage where the clock is running."""
        closed = np.flatnonzero(due & (state.age >= 0))
        if closed.size:
            self._hand_out(state, closed, arrivals)
            state.age[closed] = -1
        if silent.any():
            state.halfway[silent] = np.inf
        self._open_vintages(state, np.flatnonzero(due & ~silent & (state.observed > 0)))

    def _forecast_halfway(self, state: NumericState, arrivals: Scoring | None) -> None:
        half, median = self._half, self.config.median
        rows = np.flatnonzero(state.age == half)
        newer = self._quantiles(state, rows, self.config.horizon)
        state.halfway[rows] = newer[:, :, (1, -2)].transpose(0, 2, 1)
        if arrivals is not None:
            ahead = newer[:, : self.config.horizon - half, median].astype(np.float32)
            arrivals.ledger.compare(arrivals.rows[rows], state.vintage[rows, median, half:], ahead)

    def _open_vintages(self, state: NumericState, due: np.ndarray) -> None:
        """Open a new vintage in rows (k,)."""
        if not due.size:
            return
        state.vintage[due] = self._quantiles(state, due, self.config.horizon).transpose(0, 2, 1)
        state.age[due], state.opened[due] = 0, state.origin[due]
        state.naive[due] = self._repeated(state, due, state.rival[due], state.naive.shape[1])

    def _repeated(self, state: NumericState, rows: np.ndarray, lag: np.ndarray, horizon: int) -> np.ndarray:
        """(k, H) the values of a lag (k,) before, repeated."""
        steps = state.origin[rows, None] + 1 - lag[:, None] + np.arange(horizon) % lag[:, None]
        return np.asarray(state.ring[rows[:, None], steps % self._ring])

    def _quantiles(self, state: NumericState, rows: np.ndarray, horizon: int) -> np.ndarray:
        return self._engine.forecast(state.arrays, rows, horizon, state.widening, self._bucket)

    def forecast(self, state: NumericState, rows: np.ndarray, horizon: int | None = None) -> np.ndarray:
        """(k, h, L) float64 quantiles at `config.levels` for the h steps after each row's origin, in data units; any
        horizon. The state does not change."""
        rows, steps = np.asarray(rows, np.int64), horizon or self.config.horizon
        parts = each(lambda part: self._quantiles(state, rows[part], steps), row_blocks(len(rows)))
        return np.concatenate(parts) if parts else np.empty((0, steps, len(self.config.levels)))

    def fallback(self, state: NumericState, rows: np.ndarray, horizon: int | None = None) -> np.ndarray:
        """The same shape with the last value, or the last season, as the median."""
        found = self.forecast(state, rows, horizon)
        lag = np.full(len(found), min(self.config.skip_lag, self._ring))
        median = self.config.median
        return found + (self._repeated(state, rows, lag, found.shape[1]) - found[:, :, median])[:, :, None]

    def warming(self, state: NumericState, rows: np.ndarray) -> np.ndarray:
        """(k,) bool: a row without a value has no forecast; any other has one."""
        return np.asarray(state.observed[rows] == 0)

    def last_values(self, state: NumericState, rows: np.ndarray) -> np.ndarray:
        """(k, R) the last values of rows, the newest last; a missing one is the value before it."""
        steps = state.origin[rows, None] + 1 + np.arange(self._ring)
        return np.asarray(state.ring[rows[:, None], steps % self._ring])

    def gates(self, state: NumericState, row: int, value: float) -> list[Gates]:
        """The engine has no gates."""
        return []

    def inspection(self) -> None:  # type: ignore[override]
        """The engine shows nothing of itself yet."""
        return
