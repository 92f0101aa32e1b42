"""Rolling: reads a series once, then advances a small state with every value and rolls the whole forecast forward.

A state is *defined* as the fold of a series' values from its anchor under one model: `start` reads the context, `fold`
takes every later value, oldest first, one step of the grid at a time. The size of a state is constant, and so is the
cost of a step. A change of this arithmetic bumps `LAYOUT` in data/store/snapshot_store.py.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from forecasting.baselines import Baseline
from forecasting.config import BASELINES, STATE_ARRAYS, ModelConfig
from forecasting.kernel.compiled import compiled
from forecasting.kernel.cycle_memory import build_cycle_memory, update_cycle_memory
from forecasting.kernel.kernel import Kernel
from forecasting.kernel.recurrent import Gates
from forecasting.kernel.scaling import SMALLEST, elapsed, fill, level_and_scale, since_silence
from forecasting.kernel.threads import each
from forecasting.quantiles import assemble, to_data_units
from forecasting.rivals import Rivals
from forecasting.rolling import conformal, online_scores
from forecasting.rolling.bundle import Bundle
from forecasting.rolling.fold_rows import SortedValues, fold_rows, row_blocks
from forecasting.rolling.gate_trace import Recorder
from forecasting.rolling.inspection import Inspection
from forecasting.rolling.online_scores import Ledger
from forecasting.rolling.scale_prior import repeat_last
from forecasting.rolling.state import FORECASTS_ANEW, GOES_ON, STATE_ANEW, RollingState
from forecasting.rolling.vintages import Vintages

# The arrays that a forecast is a function of.
READ = ("ring", "gap", "spread", "mean", "origin", "observed", "imputed", "hidden", "widening")
_NO_ROW, _NO_VALUES = np.zeros(0, np.int64), np.zeros(0)
OPENED = ("vintage", "naive")  # written when a vintage opens, and then only read
NO_SCALE = 1e3 * SMALLEST  # of a window of zeros a forecast below this is answered as 0
QUIET = 8  # a gap is long from this part of the window on: intervals are then as wide as before it
UNKNOWN = -(2**62)  # origin of a vintage that a state of an earlier version does not have


class NumericState(RollingState):
    """The state of N series of numbers, under a network or a baseline. Beside the arrays of every state it has

    ring      (N, W) float64, the last values in data units; a gap repeats the value before it
    mean      (N, C) float32, the mean distance of each phase of a long cycle from the level of its time; met (N, C)
              uint8 and usual (N, 2) float64 belong to it: see `cycle_memory`
    hidden    (N, layers, D) float32; carry the same for an LSTM (`STATE_ARRAYS`), else (N, 0, D)
    gap       (N,) int32, steps since the last observed value, at most W + 1
    spread    (N,) float64, the scale of the window as of the last observed value; 0 where none was taken down
    vintage   (N, L, H) float32, the open scored forecast in data units; age (N,) int32 its settled steps, -1 none open
    opened    (N,) int64, the step after which the vintage was forecast
    halfway   (N, 2, H) float32, 80 % interval of the forecast last made halfway through a vintage; ∞ before the first
    rival     (N,) int32, the lag that the rival of the series repeats: see `forecasting.rivals`
    naive     (N, min(longest rival, H)) float32, the rival's forecast from the vintage's origin on
    widening  (N, buckets) float32, log factor on the intervals; vintages and halfway forecasts move it
    """

    def read(self, rows: np.ndarray) -> "NumericState":
        """A copy of some rows of the arrays that a forecast is a function of, and of no others."""
        return NumericState({name: self.arrays[name][rows] for name in READ})

    def put_folded(self, rows: np.ndarray, later: RollingState) -> None:
        """Write folded rows back, without the arrays of a vintage that is still open: a third fewer bytes."""
        same = (self.age[rows] >= 0) & (later.age - self.age[rows] == later.origin - self.origin[rows])
        opened = np.flatnonzero(~same)
        for name, value in self.arrays.items():
            own = opened if name in OPENED else slice(None)
            value[rows[own]] = later.arrays[name][own]


class Scoring(NamedTuple):
    """The values that a step settles, and the ledger that takes them down."""

    ledger: Ledger
    rows: np.ndarray  # (k,) of the ledger
    first_values: np.ndarray = _NO_VALUES  # (k,) float64, as they first arrived; NaN where there is none


class Roller:
    """One fitted network or baseline, ready to roll any number of series.

    `carried` names the arrays that outlive an anchor: the widening of intervals, the cycle memory, and the rival.
    """

    carried: tuple[str, ...] = ("widening", "mean", "met", "usual", "rival")

    def __init__(self, bundle: Bundle) -> None:
        self.config, self.fingerprint = bundle.config, bundle.fingerprint
        self._core: Kernel | Baseline | Recorder = _core(bundle)
        self._fallback = _fallback(bundle)
        self._bucket = self.config.bucket_of_step()
        self._factors = self.config.over_horizon(bundle.calibration.factors).astype(np.float32)
        self._scale_prior = bundle.calibration.scale_prior
        self._rate, self._half = bundle.calibration.rate, self.config.horizon // 2
        self._handed_out = online_scores.positions(self.config).wql
        rivals = Rivals.of(bundle.manifest, self.config)
        self._usual_rival, self._longest_rival = rivals.usual, rivals.longest

    def empty(self, rows: int) -> NumericState:
        """States before any value. The first value folded in becomes the anchor of its row and gives it an origin."""
        c = self.config
        layers, carried = c.recurrent_layers, c.recurrent_layers if STATE_ARRAYS.get(c.kind, 0) > 1 else 0
        zeros = np.zeros
        return NumericState(
            {
                "ring": zeros((rows, c.window)),
                "mean": zeros((rows, c.memory), np.float32),
                "met": zeros((rows, c.memory), np.uint8),
                "usual": zeros((rows, 2 if c.memory else 0)),
                "hidden": zeros((rows, layers, c.hidden_size), np.float32),
                "carry": zeros((rows, carried, c.hidden_size), np.float32),
                "gap": np.full(rows, c.window, np.int32),
                "spread": zeros(rows),
                "origin": zeros(rows, np.int64),
                "observed": zeros(rows, np.int64),
                "imputed": zeros(rows, np.int64),
                "reanchored": zeros(rows, np.int64),
                "vintage": zeros((rows, len(c.levels), c.horizon), np.float32),
                "age": np.full(rows, -1, np.int32),
                "opened": np.full(rows, UNKNOWN),
                "halfway": np.full((rows, 2, c.horizon), np.inf, np.float32),
                "rival": np.full(rows, self._usual_rival, np.int32),
                "naive": zeros((rows, min(self._longest_rival, c.horizon)), np.float32),
                "widening": zeros((rows, c.buckets), np.float32),
            }
        )

    def restore(self, arrays: dict[str, np.ndarray]) -> NumericState:
        """The state whose arrays a snapshot holds."""
        return NumericState(arrays)

    def ledger(self, rows: int) -> Ledger:
        """An empty ledger for so many rows."""
        return Ledger.of(self.config, rows)

    def rivals(self, state: NumericState) -> np.ndarray:
        """(N,) the lag that the rival of each series repeats."""
        return np.asarray(state.rival)

    def measure(self, state: NumericState, rows: np.ndarray) -> np.ndarray:
        """(k,) the unit of MASE of rows (k,): the mean |y_t - y_(t-lag)| in the window, with `config.unit_lag`.

        0 before the first scored forecast is open, and where the values do not move.
        """
        unit = online_scores.unit(state.ring[rows], self.config.unit_lag)
        return np.where(state.age[rows] >= 0, unit, 0.0)

    def open_vintages(self, state: NumericState, rows: np.ndarray) -> Vintages:
        """The open vintages of rows (k,), copied; rows without one, and forecasts that are not finite, are left out."""
        rows = rows[state.age[rows] >= 0]
        quantiles = state.vintage[rows[:, None], self._handed_out]
        finite = np.isfinite(quantiles).all((1, 2))
        opened = np.where(state.opened[rows] == UNKNOWN, state.origin[rows] - state.age[rows], state.opened[rows])
        return Vintages(rows, opened, quantiles).select(finite)

    def warm_up(self) -> None:
        """Compile the loops that the first value would otherwise wait for: some seconds on a new machine."""
        once = np.zeros(1, np.int64)
        self.fold(self.empty(1), once, once, np.zeros(1), Ledger.of(self.config, 1))
        if self.config.memory:
            state, one = self.empty(1), np.zeros((1, 1))
            build_cycle_memory(state.mean, state.met, state.usual, one, one == 0, once)

    def start(
        self, context: np.ndarray, origin: np.ndarray, carried: Mapping[str, np.ndarray] | None = None
    ) -> NumericState:
        """Read each series' context once.

        context (N, `config.context`) float64, NaN where missing or before the first value; its last column is grid step
        `origin` (N,). Intervals do not adapt here: the model may have been fitted to these very values. carried: arrays
        (N, …) that do not start empty, by name: those of the anchor before that go on, and the rivals.
        """
        own, origin = carried or {}, np.asarray(origin)

        def read(rows: slice) -> NumericState:
            return self._start(context[rows], origin[rows], {name: array[rows] for name, array in own.items()})

        states = each(read, row_blocks(len(context)))
        first = self.empty(0)
        parts = [state.arrays for state in states] or [first.arrays]
        return type(first)({name: np.concatenate([part[name] for part in parts]) for name in first.arrays})

    def _start(self, context: np.ndarray, origin: np.ndarray, carried: Mapping[str, np.ndarray]) -> NumericState:
        state, width = self.empty(len(context)), self.config.window
        context = since_silence(context, width)
        seen = ~np.isnan(context)
        values, gaps = fill(context), elapsed(seen, width + 1)
        if self.config.memory:
            build_cycle_memory(state.mean, state.met, state.usual, values, seen, origin)
        for stop in range(context.shape[1] - self.config.warmup + 1, context.shape[1] + 1):
            window, last = values[:, stop - width : stop], stop - 1
            features, _, _ = self._core.features(window, seen[:, last], gaps[:, last], state.mean, origin)
            self._core.roll(features, state.hidden, state.carry)  # no layer reads the cycle memory
        state.spread[:] = last_scale(values, seen, width, self.config.level_steps)
        state.ring[:] = values[:, -width:]
        state.gap[:] = gaps[:, -1]
        state.origin[:] = origin
        state.observed[:] = seen.sum(1)
        for name, array in carried.items():
            state.arrays[name][:] = array
        self._open_vintages(state, np.arange(len(state)))
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
        """Take in values, in place.

        rows, steps, values (k,): a value (NaN = missing) and its grid step for a row; any number per row, each row's
        steps ascending and after its origin. Steps between are rolled as missing. After a silence longer than the
        window the row restarts from the value that ends it. A missing value does not end a silence: the row holds its
        last value until a real one arrives, and of the steps left out only as many are rolled as change the state.
        ledger: takes down what the values settle, one row for each row of `state`, and the vintages that close.
        first_values (k,): the values as they first arrived, on which forecasts are scored; later corrections may have
        replaced them in `values`. NaN is not scored.
        anew (k,) int8: `FORECASTS_ANEW` drops the open forecast and makes the next one; with `STATE_ANEW` the row
        restarts too, as after a silence.
        """
        fold_rows(state, rows, steps, values, ledger, first_values, anew, self._fold)

    def _fold(
        self, block: NumericState, at: np.ndarray, stop: np.ndarray, sorted_values: SortedValues, page: Ledger | None
    ) -> None:
        """Roll one grid step at a time for every row with values left; `at` is each row's position in its values."""
        steps, values, first_values, anew = sorted_values
        while (active := np.flatnonzero(at < stop)).size:
            due, value = steps[at[active]], values[at[active]]
            part = block if len(active) == len(block) else block.take(active)
            scoring = None if page is None else Scoring(page, active)
            self._anchor(part, due, value, scoring)
            arrived = part.origin + 1 == due
            if scoring is not None:
                scoring = scoring._replace(first_values=np.where(arrived, first_values[at[active]], np.nan))
            if anew is not None:
                self._begin_anew(part, np.where(arrived, anew[at[active]], GOES_ON), value, scoring)
            self._step(part, np.where(arrived, value, np.nan), scoring)
            at[active] += arrived
            if part is not block:
                block.put(active, part)

    def _anchor(self, state: NumericState, due: np.ndarray, value: np.ndarray, scoring: Scoring | None) -> None:
        """Restart rows just before step `due`: those without a value, and those silent for longer than the window."""
        window, began = self.config.window, state.observed > 0
        left_out = due - state.origin - 1
        silent = state.gap + left_out
        if began.all() and (silent <= window).all():  # the usual step
            return
        nothing = began & np.isnan(value) & (left_out > window)
        state.origin[nothing] = due[nothing] - 1 - window
        anew = np.flatnonzero(~began | (~np.isnan(value) & (silent > window)))
        self._hand_out(state, anew, scoring)
        self._restart(state, anew, due, value)

    def _begin_anew(self, state: NumericState, anew: np.ndarray, value: np.ndarray, scoring: Scoring | None) -> None:
        """Drop open forecasts, or the whole state, of the rows where `anew` (k,) says so, before their step."""
        dropped = np.flatnonzero(anew >= FORECASTS_ANEW)
        self._settle_before(state, dropped, scoring)
        self._hand_out(state, dropped, scoring)
        state.age[dropped], state.halfway[dropped] = -1, np.inf
        self._restart(state, np.flatnonzero(anew == STATE_ANEW), state.origin + 1, value)

    @staticmethod
    def _settle_before(state: NumericState, rows: np.ndarray, scoring: Scoring | None) -> None:
        """Settle the first values of rows (k,), which came before what makes their forecasts begin anew."""
        if scoring is None:
            return
        rows = rows[~np.isnan(scoring.first_values[rows])]
        first = scoring.first_values[rows]
        arrays = (state.vintage[rows], state.naive[rows], state.rival[rows], state.age[rows])
        scoring.ledger.settle(scoring.rows[rows], first, *arrays)
        scoring.first_values[rows] = np.nan

    def _hand_out(self, state: NumericState, rows: np.ndarray, scoring: Scoring | None) -> None:
        """Take down the open vintages of rows (k,), which are about to close."""
        if scoring is not None and rows.size:
            closed = self.open_vintages(state, rows)
            if len(closed.rows):
                scoring.ledger.closed.append(closed.of_rows(scoring.rows))

    def _restart(self, state: NumericState, rows: np.ndarray, due: np.ndarray, value: np.ndarray) -> None:
        """Let rows (k,) begin with their value (n,) at step `due` (n,)."""
        if not rows.size:
            return
        fresh = self.empty(len(rows))
        fresh.ring[:] = np.nan_to_num(value[rows])[:, None]
        fresh.origin[:] = due[rows] - 1
        fresh.reanchored[:] = state.reanchored[rows] + (state.observed[rows] > 0)
        fresh.imputed[:] = state.imputed[rows]
        fresh.widening[:], fresh.rival[:] = state.widening[rows], state.rival[rows]
        state.put(rows, fresh)

    def _step(self, state: NumericState, values: np.ndarray, arrivals: Scoring | None = None) -> list[Gates]:
        """One grid step for every row: settle the forecasts of this step, take in the value, forecast again if due."""
        if arrivals is not None:  # score the open forecasts first; `conformal.settle` makes them one step older
            arrivals.ledger.settle(
                arrivals.rows, arrivals.first_values, state.vintage, state.naive, state.rival, state.age
            )
        conformal.settle(values, state.vintage, state.halfway, state.age, state.widening, self._bucket, self._rate)
        seen = ~np.isnan(values)
        hold(values, state.ring, state.gap, state.observed)
        state.origin[:] += 1  # the state now includes this step
        state.observed[:] += seen
        if self.config.memory:
            update_cycle_memory(state.mean, state.met, state.usual, state.ring, seen, state.observed, state.origin)
        features, _, scale = self._core.features(state.ring, seen, state.gap, state.mean, state.origin)
        state.spread[seen] = scale[seen, 0]
        gates = self._core.roll(features, state.hidden, state.carry)
        state.gap[seen] = 0
        state.imputed[:] += ~seen
        self._forecast_halfway(state, arrivals)
        due = np.flatnonzero((state.age >= self.config.horizon) | (state.age < 0))
        self._hand_out(state, due, arrivals)
        self._open_vintages(state, due)
        return gates

    def _forecast_halfway(self, state: NumericState, arrivals: Scoring | None) -> None:
        """Forecast once more halfway through a vintage: for the stability of the targets still ahead, and for the
        interval of the coming ones."""
        half, median = self._half, self.config.median
        rows = np.flatnonzero(state.age == half)
        if not half or not rows.size:  # a horizon of one step has no half
            return
        newer = self._quantiles_by_level(self._core, state.read(rows))
        state.halfway[rows] = newer[:, (1, -2)]
        if arrivals is not None:
            ahead = newer[:, median, : self.config.horizon - half].astype(np.float32)
            arrivals.ledger.compare(arrivals.rows[rows], state.vintage[rows, median, half:], ahead)

    def _open_vintages(self, state: NumericState, due: np.ndarray) -> None:
        """Open a new vintage in those of the rows `due` (k,) for which the model itself answers."""
        state.age[due] = -1
        rows = due[~self.warming(state, due)]
        if rows.size:
            state.vintage[rows] = self._quantiles_by_level(self._core, state.read(rows))
            state.age[rows], state.opened[rows] = 0, state.origin[rows]
            lag, steps = state.rival[rows, None], np.arange(state.naive.shape[1])
            state.naive[rows] = state.ring[rows[:, None], self.config.window - lag + steps % lag]

    def forecast(self, state: NumericState, rows: np.ndarray, horizon: int | None = None) -> np.ndarray:
        """(k, h, L) float64 quantiles at `config.levels` for the h steps after each row's origin, in data units.

        The state does not change.
        """
        return self._answer(self._core, state, rows, horizon)

    def fallback(self, state: NumericState, rows: np.ndarray, horizon: int | None = None) -> np.ndarray:
        """The same shape from the baseline `config.fallback`, with its own error quantiles."""
        return self._answer(self._fallback, state, rows, horizon)

    def warming(self, state: NumericState, rows: np.ndarray) -> np.ndarray:
        """(k,) bool: are there too few real values since the anchor for the model to answer? The fallback does."""
        return np.asarray(state.observed[rows] < self.config.minimum)

    def silence(self, state: NumericState, rows: np.ndarray) -> np.ndarray:
        """(k,) steps from each row's last real value to its origin, at most the window + 1."""
        return np.asarray(state.gap[rows], np.int64)

    def last_values(self, state: NumericState, rows: np.ndarray) -> np.ndarray:
        """(k, W) the last values of rows, the newest last; a missing one is the value before it."""
        return np.asarray(state.ring[rows])

    def gates(self, state: NumericState, row: int, value: float) -> list[Gates]:
        """The gate activations (1, D) of the step that `value` would cause, layer by layer of each member; the state
        does not change."""
        opened = self._step(state.take(np.array([row])), np.array([value]))
        members = range(self.config.members)
        return [{name: open[member] for name, open in layer.items()} for member in members for layer in opened]

    def inspection(self) -> Inspection:
        """Looks inside the model."""
        return Inspection(self, self._core)

    def replace_core(self, recorder: Recorder) -> None:
        """Roll through a recorder from now on."""
        self._core = recorder

    def _answer(
        self, core: Kernel | Baseline | Recorder, state: NumericState, rows: np.ndarray, horizon: int | None
    ) -> np.ndarray:
        parts = each(lambda part: self._quantiles_by_level(core, state.read(rows[part])), row_blocks(len(rows)))
        quantiles = np.concatenate(parts) if parts else np.empty((0, len(self.config.levels), self.config.horizon))
        zero = np.flatnonzero(~state.ring[rows].any(1))
        if zero.size:  # their scale is `SMALLEST`: what lies within NO_SCALE of them has no meaning
            quantiles[zero] = np.where(np.abs(quantiles[zero]) < NO_SCALE, 0.0, quantiles[zero])
        return quantiles.transpose(0, 2, 1)[:, :horizon]

    def _quantiles_by_level(self, core: Kernel | Baseline | Recorder, state: NumericState) -> np.ndarray:
        """Calibrated quantiles in data units, (n, L, H) float64: the levels before the horizon steps."""
        prior = self._scale_prior if isinstance(core, Baseline) else None
        early = np.flatnonzero(state.observed < self.config.window) if prior is not None else _NO_ROW
        ring, passed = state.ring, state.observed + state.imputed
        if early.size and self.config.skip_lag > 1:
            ring = repeat_last(ring, passed)
        features, level, scale = core.features(ring, state.gap == 0, state.gap, state.mean, state.origin)
        median, increments = core.forecast(features, state.hidden)
        if prior is not None and early.size:
            seen = state.observed * np.minimum(1, self.config.window / np.maximum(passed, 1))  # others left the ring
            unit = prior.scale(state.ring[early], level[early, 0], seen[early]) / scale[early, 0]
            increments[early] = prior.distances(state.observed[early]) * unit[:, None, None, None]
        held = np.flatnonzero((state.gap * QUIET > self.config.window) & (state.observed >= self.config.window))
        if held.size:  # the repeated value narrows the window, not what is known of the series
            increments[held] *= np.maximum(1, state.spread[held] / scale[held, 0])[:, None, None, None]
        widths = np.exp(state.widening)[:, self._bucket]
        factors = self._factors if core is self._core else np.ones_like(self._factors)
        increments *= factors[None, None] * widths[:, None, None]
        return to_data_units(assemble(median, increments), level, scale)


def last_scale(values: np.ndarray, seen: np.ndarray, width: int, level_steps: int) -> np.ndarray:
    """(N,) the scale of the window that ends at the last observed value; values (N, T) filled, seen (N, T) bool."""
    last = values.shape[1] - 1 - seen[:, ::-1].argmax(1)
    columns = np.maximum(last[:, None] - width + 1 + np.arange(width), 0)
    return level_and_scale(np.take_along_axis(values, columns, 1), level_steps)[1][:, 0]


@compiled
def hold(values: np.ndarray, ring: np.ndarray, gap: np.ndarray, observed: np.ndarray) -> None:
    """Move the next value (B,) of every row into its ring (B, W); a missing value repeats the last one."""
    batch, window = ring.shape
    for row in range(batch):
        seen, held = not np.isnan(values[row]), ring[row, window - 1]
        for t in range(window - 1):
            ring[row, t] = ring[row, t + 1]
        ring[row, window - 1] = values[row] if seen else held
        # the step that ends a silence still has the length of the gap as its input
        gap[row] = 0 if seen and observed[row] > 0 else min(gap[row] + 1, window + 1)


def _core(bundle: Bundle) -> Kernel | Baseline:
    if bundle.config.kind in BASELINES:
        return Baseline(bundle.config, bundle.weights["linear"], bundle.weights["increments"])
    return Kernel(bundle.config, {n: w for n, w in bundle.weights.items() if not n.startswith("fallback.")})


def _fallback(bundle: Bundle) -> Baseline:
    config: ModelConfig = bundle.config
    if config.kind in BASELINES:
        return Baseline(config, bundle.weights["linear"], bundle.weights["increments"])
    return Baseline(config, bundle.weights["fallback.linear"], bundle.weights["fallback.increments"])
