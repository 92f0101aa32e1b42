"""The engine of experts through a plain interface: states as named arrays, values in, quantiles out."""

from functools import cached_property
from typing import Any

import numpy as np

from forecasting.config import LEVELS
from forecasting.kernel.threads import cores, each
from forecasting.universal.advance import advance, advance_from_row_to_row, expect_of_rows
from forecasting.universal.layout import RATES, SLOTS, StateLayout
from forecasting.universal.network import NONE, Network
from forecasting.universal.network_inputs import INPUTS
from forecasting.universal.quantile_forecast import forecast_quantiles, lines_of_rows

ENGINE = ("ring", "numbers", "profile", "met", "pending", "error", "count", "spread", "shape")
COUNTED = ("origin", "observed", "imputed", "reanchored", "gap")
READ = ("origin", "observed", "numbers", "profile", "met", "error", "count", "spread", "shape")
SHAPE = np.array([-2.6, -1.61, -1.05, -0.65, -0.31, 0.0, 0.31, 0.65, 1.05, 1.61, 2.6], np.float32)
BLOCK = 64  # rows that one thread takes at a time


class Engine:
    """Advances any number of series and forecasts them. A row's result does not depend on the rows beside it."""

    def __init__(
        self, layout: StateLayout, prior: np.ndarray, start: np.ndarray, window: int, network: Network = NONE
    ) -> None:
        """prior (5, experts) float64: see `forecasting.universal.mixing`; start (2,): `forecasting.universal.widths`;
        network: `forecasting.universal.network`, or `NONE`.

        `window` steps without a value are rolled before a silence stops the clock.
        """
        self.network = tuple(np.ascontiguousarray(array, np.float64) for array in network)
        self.layout, self.prior, self.start, self.window = layout, prior, start, window
        self.seasons, self.leads, self.gains = layout.seasons, layout.leads, layout.gains
        self._settings: list[Any] = [self.seasons, self.leads, self.gains, prior, start, np.array(LEVELS)]
        self._settings += [window, layout.unit_lag]

    def empty(self, rows: int) -> dict[str, np.ndarray]:
        """Arrays of states before any value."""
        own = self.layout
        leads, experts = len(self.leads), own.experts
        return {
            "ring": np.zeros((rows, own.ring)),
            "numbers": np.zeros((rows, own.numbers)),
            "profile": np.zeros((rows, 2, own.bins), np.float32),
            "met": np.zeros((rows, own.bins), np.uint8),
            "pending": np.full((rows, SLOTS * leads - 1, experts + 1), np.nan, np.float32),
            "error": np.zeros((rows, RATES, leads, experts + 1), np.float32),
            "count": np.zeros((rows, leads, experts + 1), np.uint8),
            "spread": np.ones((rows, own.phases), np.float32),
            "shape": np.tile(SHAPE, (rows, 1)),
            "origin": np.zeros(rows, np.int64),
            "observed": np.zeros(rows, np.int64),
            "imputed": np.zeros(rows, np.int64),
            "reanchored": np.zeros(rows, np.int64),
            "gap": np.zeros(rows, np.int32),
        }

    def advance(self, arrays: dict[str, np.ndarray], values: np.ndarray) -> None:
        """Take in values (N, T), oldest first, in place; NaN is missing. Rows are divided among the cores."""
        size = max(1, min(BLOCK, -(-len(values) // cores())))
        blocks = [slice(i, i + size) for i in range(0, len(values), size)]
        each(lambda rows: self.advance_here({n: array[rows] for n, array in arrays.items()}, values[rows]), blocks)

    def advance_here(self, arrays: dict[str, np.ndarray], values: np.ndarray) -> None:
        """The same in this thread."""
        own: list[Any] = [arrays[name] for name in (*COUNTED, *ENGINE)]
        advance(values, *own, *self._settings)

    def states_at(
        self, values: np.ndarray, stops: np.ndarray, before: dict[str, np.ndarray] | int
    ) -> dict[str, np.ndarray]:
        """The states of one series after the first stops[i] of its values (T,), a row for each; stops (A,) ascending.

        before: the state before these values, of one row, or the grid step of the first one.
        """
        arrays = self.empty(len(stops))
        if isinstance(before, dict):
            for name, array in before.items():
                arrays[name][:1] = array
        else:
            arrays["origin"][:1] = before - 1
        own: list[Any] = [arrays[name] for name in (*COUNTED, *ENGINE)]
        advance_from_row_to_row(np.ascontiguousarray(values, np.float64), stops, *own, *self._settings)
        return arrays

    def expect(self, arrays: dict[str, np.ndarray]) -> np.ndarray:
        """(N, K, experts) float64: the experts' forecasts at the known leads; NaN where one has none."""
        found = np.empty((len(arrays["origin"]), len(self.leads), self.layout.experts))
        own: list[Any] = [arrays[name] for name in ("numbers", "profile", "met", "origin")]
        own += [self.seasons, self.leads, found]
        expect_of_rows(*own)
        return found

    def forecast(
        self, arrays: dict[str, np.ndarray], rows: np.ndarray, horizon: int, widening: np.ndarray, bucket: np.ndarray
    ) -> np.ndarray:
        """(k, H, L) float64 quantiles of rows (k,); see `forecast_quantiles` for `widening` and `bucket`."""
        found = np.empty((len(rows), horizon, len(LEVELS)))
        own: list[Any] = [arrays[name] for name in READ]
        own += [self.seasons, self.leads, self.prior, self.start, widening, bucket, self.network, found]
        forecast_quantiles(rows, *own)
        return found

    def lines(self, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """What a correction of the forecasts of every row is made from, see `lines_of_rows`."""
        rows, known, levels = len(arrays["origin"]), len(self.leads), len(LEVELS)
        found = {
            "middle": np.empty((rows, known)),
            "unit": np.empty((rows, known)),
            "shape": np.empty((rows, levels)),
            "bounds": np.empty((rows, 2)),
            "lines": np.empty((rows, known, INPUTS)),
        }
        own: list[Any] = [arrays[name] for name in READ]
        own += [self.seasons, self.leads, self.prior, self.start]
        lines_of_rows(*own, *list(found.values()))
        return found

    @cached_property
    def row_bytes(self) -> int:
        """Bytes of the state of one series."""
        return sum(array.nbytes for array in self.empty(1).values())
