"""Rolling symbols: reads a series once, then advances a small state with every symbol.

A state is defined as the fold of a series' symbols from its anchor under one model, as in `forecasting.rolling.roller`,
and keeps the same contract, `RollingModel` of `states.model`. Values are codes in float64, NaN where nothing was
written down: there the network reads its own probabilities in place of the symbol.

The probabilities of the next symbol are part of the state and exact. Further steps are means over roll-outs, whose
random numbers come from seeds that the caller gives. No forecast is kept open: each symbol is scored when it arrives.
A change of this arithmetic bumps `LAYOUT` in data/store/snapshot_store.py.
"""

from collections.abc import Mapping, Sequence
from copy import copy

import numpy as np

from forecasting.accuracy import WQL_LEVELS
from forecasting.config import VARIANTS
from forecasting.kernel.recurrent import Gates
from forecasting.kernel.threads import each
from forecasting.rolling.bundle import Bundle
from forecasting.rolling.fold_rows import SortedValues, fold_rows, row_blocks
from forecasting.rolling.state import STATE_ANEW, RollingState
from forecasting.rolling.vintages import Vintages
from forecasting.symbol_config import SYMBOL_BASELINES, SymbolConfig
from forecasting.symbols import sampling
from forecasting.symbols.plain_symbol_kernel import PlainSymbolKernel
from forecasting.symbols.sampling import Core, Fork
from forecasting.symbols.symbol_baselines import PREFIX, SymbolBaseline, codes_of
from forecasting.symbols.symbol_inspection import SymbolInspection, SymbolRecorder, named_gates
from forecasting.symbols.symbol_kernel import SymbolKernel
from forecasting.symbols.symbol_scores import SymbolLedger

FORKED = ("probabilities", "hidden", "carry")


class SymbolState(RollingState):
    """The state of N series of symbols. Beside the arrays of every state it has

    hidden         (N, M layers, D) float32; carry the same for an LSTM, else (N, 0, D); no layers in a baseline
    probabilities  (N, V) float32 of the next symbol
    gap            (N,) int32, steps since the last symbol, at most the context + 1
    last           (N,) int32, code of the last symbol; -1 before the first
    """


class SymbolRoller:
    """One fitted network or baseline of symbols, ready to roll any number of series."""

    carried = ()

    def __init__(self, bundle: Bundle) -> None:
        self.config: SymbolConfig = bundle.config
        self.fingerprint = bundle.fingerprint
        prefix = "" if self.config.kind in SYMBOL_BASELINES else PREFIX
        counts = {name: bundle.weights[prefix + name] for name in ("frequency", "repeats")}
        self._rival = SymbolBaseline(self.config.rival, **counts)
        self._usual = counts["frequency"].astype(np.float32)
        self._core: Core = self._rival
        if self.config.kind in SYMBOL_BASELINES:
            self._core = SymbolBaseline(self.config.kind, **counts)
        else:
            kernel = PlainSymbolKernel if self.config.kind in VARIANTS else SymbolKernel
            self._core = kernel(
                self.config, {name: w for name, w in bundle.weights.items() if not name.startswith(PREFIX)}
            )
        self._recorder: SymbolRecorder | None = None
        self.weights = sum(w.size for name, w in bundle.weights.items() if not name.startswith(PREFIX))

    def empty(self, rows: int) -> SymbolState:
        """States before any symbol; the next one is expected as often as in training."""
        c = self.config
        return SymbolState(
            {
                "hidden": np.zeros((rows, c.recurrent_layers, c.hidden_size), np.float32),
                "carry": np.zeros((rows, c.carried_layers, c.hidden_size), np.float32),
                "probabilities": np.repeat(self._usual[None], rows, 0),
                "origin": np.zeros(rows, np.int64),
                "observed": np.zeros(rows, np.int64),
                "imputed": np.zeros(rows, np.int64),
                "reanchored": np.zeros(rows, np.int64),
                "gap": np.full(rows, c.context, np.int32),
                "last": np.full(rows, -1, np.int32),
            }
        )

    def restore(self, arrays: dict[str, np.ndarray]) -> SymbolState:
        """The state whose arrays a snapshot holds."""
        return SymbolState(arrays)

    def ledger(self, rows: int) -> SymbolLedger:
        """An empty ledger for so many rows."""
        return SymbolLedger.empty(rows, self.config.top)

    def rivals(self, state: SymbolState) -> np.ndarray:
        """(n,) ones: all series have the same rival, `config.rival`."""
        return np.ones(len(state), np.int64)

    def measure(self, state: SymbolState, rows: np.ndarray) -> np.ndarray:
        """(k,) ones: log loss has a unit of its own."""
        return np.ones(len(rows))

    def open_vintages(self, state: SymbolState, rows: np.ndarray) -> Vintages:
        """None."""
        none = np.zeros(0, np.int64)
        return Vintages(none, none, np.zeros((0, len(WQL_LEVELS), self.config.horizon), np.float32))

    def warm_up(self) -> None:
        """Compile the loops that the first symbol would otherwise wait for: some seconds on a new machine."""
        once, state = np.zeros(1, np.int64), self.empty(1)
        for step in range(2):
            self.fold(state, once, once + step, np.zeros(1), self.ledger(1))
        self.marginals(state, once, 2, 2)
        self.continuations(state, 0, 1, 1)
        self.read_on(state, np.zeros((1, 1), np.int32))

    def start(
        self, context: np.ndarray, origin: np.ndarray, carried: Mapping[str, np.ndarray] | None = None
    ) -> SymbolState:
        """Read each series' context (N, `config.context`) once; its last column is grid step `origin` (N,)."""
        origin = np.asarray(origin)
        states = each(lambda rows: self._start(context[rows], origin[rows]), row_blocks(len(context)))
        arrays = [state.arrays for state in states] or [self.empty(0).arrays]
        return SymbolState({name: np.concatenate([a[name] for a in arrays]) for name in arrays[0]})

    def _start(self, context: np.ndarray, origin: np.ndarray) -> SymbolState:
        state, seen = self.empty(len(context)), ~np.isnan(context)
        self._check(context)
        first = np.where(seen.any(1), seen.argmax(1), context.shape[1])
        state.origin[:] = origin - context.shape[1]
        for column in range(int(first.min(initial=context.shape[1])), context.shape[1]):
            begun = np.flatnonzero(first <= column)
            part = state if len(begun) == len(state) else state.take(begun)
            part.origin[:] = origin[begun] - context.shape[1] + column
            self._step(part, context[begun, column])
            if part is not state:
                state.put(begun, part)
        state.origin[:] = origin
        state.imputed[:] = 0
        return state

    def fold(
        self,
        state: SymbolState,
        rows: np.ndarray,
        steps: np.ndarray,
        values: np.ndarray,
        ledger: SymbolLedger | None = None,
        first_values: np.ndarray | None = None,
        anew: np.ndarray | None = None,
    ) -> None:
        """Take in values, in place: as `Roller.fold`, with codes for values.

        After a silence longer than the context a row restarts from the symbol that ends it. Where a value begins anew
        its row restarts too; forecasts that are open there are none. Raises ValueError for a code that is not in the
        vocabulary.
        """
        self._check(np.asarray(values, np.float64))
        fold_rows(state, rows, steps, values, ledger, first_values, anew, self._fold)

    def _fold(
        self,
        block: SymbolState,
        at: np.ndarray,
        stop: np.ndarray,
        sorted_values: SortedValues,
        page: SymbolLedger | None,
    ) -> None:
        """Roll one grid step at a time for every row with values left; `at` is each row's position in its values."""
        steps, values, first_values, anew = sorted_values
        while (active := np.flatnonzero(at < stop)).size:
            due, value = steps[at[active]], values[at[active]]
            part = block if len(active) == len(block) else block.take(active)
            self._anchor(part, due, value)
            arrived = part.origin + 1 == due
            if page is not None:  # the probabilities were given before this symbol is read
                self._settle(page, active, part, np.where(arrived, first_values[at[active]], np.nan))
            if anew is not None:
                self._restart(part, np.flatnonzero(arrived & (anew[at[active]] == STATE_ANEW)), due)
            self._step(part, np.where(arrived, value, np.nan))
            at[active] += arrived
            if part is not block:
                block.put(active, part)

    def _anchor(self, state: SymbolState, due: np.ndarray, value: np.ndarray) -> None:
        """Restart rows just before step `due`: those without a symbol, and those silent for longer than the context."""
        longest, began = self.config.context, state.observed > 0
        left_out = due - state.origin - 1
        silent = state.gap + left_out
        if began.all() and (silent <= longest).all():  # the usual step
            return
        nothing = began & np.isnan(value) & (left_out > longest)
        state.origin[nothing] = due[nothing] - 1 - longest
        self._restart(state, np.flatnonzero(~began | (~np.isnan(value) & (silent > longest))), due)

    def _restart(self, state: SymbolState, rows: np.ndarray, due: np.ndarray) -> None:
        """Let rows (k,) begin with what comes at step `due` (n,)."""
        if not rows.size:
            return
        fresh = self.empty(len(rows))
        fresh.origin[:] = due[rows] - 1
        fresh.reanchored[:] = state.reanchored[rows] + (state.observed[rows] > 0)
        fresh.imputed[:] = state.imputed[rows]
        state.put(rows, fresh)

    def _settle(self, page: SymbolLedger, rows: np.ndarray, state: SymbolState, first_values: np.ndarray) -> None:
        codes = np.where(self.warming(state, np.arange(len(state))), -1, codes_of(first_values))
        rival = self._rival.given(state.last, np.maximum(codes, 0))
        page.settle(rows, codes, state.probabilities, rival)

    def _step(self, state: SymbolState, values: np.ndarray) -> np.ndarray:
        """One grid step for every row; values (n,), NaN where missing. Returns the gates (N, M, B, G)."""
        codes, seen = codes_of(values), ~np.isnan(values)
        before = (state.hidden.copy(), state.carry.copy()) if self._recorder else None
        gates = self._core.step(codes, state.probabilities, state.hidden, state.carry)
        state.origin[:] += 1
        state.observed[:] += seen
        state.imputed[:] += ~seen
        state.gap[:] = np.where(seen, 0, np.minimum(state.gap + 1, self.config.context + 1))
        state.last[seen] = codes[seen]
        if self._recorder is not None and before is not None:
            self._recorder.take_down(state, values, before, gates)
        return gates

    def advance(self, codes: np.ndarray, p: np.ndarray, hidden: np.ndarray, carry: np.ndarray) -> None:
        """One step of the model alone, in place: codes (n,) int32, p (n, V), hidden and carry as in a state."""
        self._core.step(codes, p, hidden, carry)

    def _check(self, values: np.ndarray) -> None:
        """A compiled loop checks no bounds."""
        known = values[~np.isnan(values)]
        if known.size and not (known.min() >= 0 and known.max() < self.config.symbols):
            raise ValueError(f"a code is outside of the vocabulary of {self.config.symbols} symbols")

    def forecast(self, state: SymbolState, rows: np.ndarray, horizon: int | None = None) -> np.ndarray:
        """(k, h, V) float64 probabilities; the first step alone unless asked for more, which come from the seed 0."""
        return self.marginals(state, rows, horizon or 1)

    def fallback(self, state: SymbolState, rows: np.ndarray, horizon: int | None = None) -> np.ndarray:
        """(k, h, V) float64 probabilities of the baseline `config.rival`, exactly."""
        return self._rival.marginals(self._rival.after(state.last[rows]), horizon or 1)

    def marginals(
        self,
        state: SymbolState,
        rows: np.ndarray,
        horizon: int,
        paths: int | None = None,
        seeds: Sequence[int] | None = None,
    ) -> np.ndarray:
        """(k, h, V) float64 probabilities of each step; seeds (k,) of the roll-outs. The state stays as it is."""
        if isinstance(self._core, SymbolBaseline):  # exact, without a path for each symbol
            return self._core.marginals(state.probabilities[rows], horizon)
        return self._outlook(state, rows, horizon, paths, seeds)[0]

    def arrivals(
        self,
        state: SymbolState,
        rows: np.ndarray,
        horizon: int,
        paths: int | None = None,
        seeds: Sequence[int] | None = None,
    ) -> np.ndarray:
        """(k, h, V) float64 probabilities that each symbol has come up to a step, from the same roll-outs."""
        return self._outlook(state, rows, horizon, paths, seeds)[1]

    def _outlook(
        self, state: SymbolState, rows: np.ndarray, horizon: int, paths: int | None, seeds: Sequence[int] | None
    ) -> tuple[np.ndarray, np.ndarray]:
        numbers, count = list(seeds or [0] * len(rows)), paths or self.config.paths
        both = each(
            lambda i: sampling.roll_out(self._core, self.fork(state, int(rows[i])), horizon, count, numbers[i]),
            range(len(rows)),
        )
        shape = (len(rows), horizon, self.config.symbols)
        return tuple(np.array([found[k] for found in both]).reshape(shape) for k in range(2))  # type: ignore[return-value]

    def fork(self, state: SymbolState, row: int) -> Fork:
        """A copy of what one row's probabilities are a function of."""
        return Fork(*(state.arrays[name][row : row + 1].copy() for name in FORKED))

    def continuations(
        self,
        state: SymbolState,
        row: int,
        samples: int,
        steps: int,
        temperature: float = 1.0,
        seed: int = 0,
        prime: Sequence[int] = (),
    ) -> np.ndarray:
        """(samples, steps) int32 codes that follow a row; see `sampling.continuations`."""
        return sampling.continuations(self._core, self.fork(state, row), samples, steps, temperature, seed, prime)

    def read_on(self, state: SymbolState, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Reads codes (n, T) int32 on a copy of the state: the probability (n, T) that each had, NaN where missing, and
        the sums (n, BINS, len(SYMBOL_SUMS)) of their scores, as if they had come one by one."""
        last = np.concatenate([state.last[:, None], codes[:, :-1]], 1)
        place = np.maximum.accumulate(np.where(last >= 0, np.arange(last.shape[1]), 0), 1)
        last = np.take_along_axis(last, place, 1)
        rival = self._rival.given(last.ravel(), np.maximum(codes, 0).ravel()).reshape(codes.shape)

        def read(rows: slice) -> tuple[np.ndarray, np.ndarray]:
            fork = Fork(*(state.arrays[name][rows].copy() for name in FORKED))
            return self._core.read_on(np.ascontiguousarray(codes[rows]), fork.p, fork.hidden, fork.carry, rival[rows])

        parts = each(read, row_blocks(len(codes)))
        return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])

    def warming(self, state: SymbolState, rows: np.ndarray) -> np.ndarray:
        """(k,) bool: are there too few symbols yet for the model to answer? The fallback does."""
        return np.asarray(state.observed[rows] < self.config.minimum)

    def silence(self, state: SymbolState, rows: np.ndarray) -> np.ndarray:
        """(k,) steps from each row's last symbol to its origin, at most the context + 1."""
        return np.asarray(state.gap[rows], np.int64)

    def last_values(self, state: SymbolState, rows: np.ndarray) -> np.ndarray:
        """(k, 1) the code of the last symbol, NaN before the first."""
        last = state.last[rows, None].astype(np.float64)
        return np.where(last < 0, np.nan, last)

    def gates(self, state: SymbolState, row: int, value: float) -> list[Gates]:
        """The gate activations (1, D) of the step that `value`, a code, would cause, layer by layer of each member; the
        state does not change."""
        later = state.take(np.array([row]))
        layers = named_gates(self.config, self._step(later, np.array([value])), later)
        members = range(self.config.members)
        return [{name: open[member] for name, open in layer.items()} for member in members for layer in layers]

    def inspection(self) -> SymbolInspection:
        """Looks inside the model."""
        return SymbolInspection(self)

    def recorded_by(self, recorder: SymbolRecorder) -> "SymbolRoller":
        """The same model, of which a recorder takes down every step."""
        twin = copy(self)
        twin._recorder = recorder
        return twin
