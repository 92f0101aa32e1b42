"""The contract of whatever rolls: the only words in which `states` speaks to a model."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from forecasting.config import ModelConfig
from forecasting.rolling.inspection import Inspection
from forecasting.rolling.online_scores import Ledger
from forecasting.rolling.vintages import Vintages


class RollingModel(Protocol):
    """One fitted model. A state has one row for each series; `rows` (k,) name rows of it, distinct.

    Values are float64 in data units, NaN where missing; steps are int64 of the dataset's grid.
    """

    @property
    def config(self) -> ModelConfig:
        """Length of a context, horizon, levels and the name of the fallback."""

    @property
    def fingerprint(self) -> str:
        """sha256 of what decides a state: states of one fingerprint may be compared and restored."""

    @property
    def carried(self) -> tuple[str, ...]:
        """Names of the state's arrays that outlive an anchor."""

    def empty(self, rows: int) -> Any:
        """States before any value; the first value folded in becomes their anchor."""

    def restore(self, arrays: dict[str, np.ndarray]) -> Any:
        """The state whose arrays a snapshot holds."""

    def start(self, context: np.ndarray, origin: np.ndarray, carried: Mapping[str, np.ndarray] | None = None) -> Any:
        """States that read each series' context (n, `config.context`), whose last column is step `origin` (n,).

        carried: arrays (n, …) of the anchor before that go on, some of those that `carried` names; of a promotion
        the lags of the rivals, `rival`, which a model may leave unused.
        """

    def fold(
        self,
        state: Any,
        rows: np.ndarray,
        steps: np.ndarray,
        values: np.ndarray,
        ledger: Ledger | None = None,
        first_values: np.ndarray | None = None,
        anew: np.ndarray | None = None,
    ) -> None:
        """Take in values (k,) at `steps` (k,) of `rows` (k,), in place; any number for a row, ascending and after its
        origin. `ledger` takes down what `first_values` (k,) settle: the values as they first came, NaN is not scored.
        `anew` (k,) int8 says what begins anew with a value: see `forecasting.rolling.state`.
        """

    def open_vintages(self, state: Any, rows: np.ndarray) -> Vintages:
        """The scored forecasts that are open in rows (k,), copied; none of a model that makes none."""

    def ledger(self, rows: int) -> Ledger:
        """Takes down what a fold settles for so many rows; nothing settled yet."""

    def rivals(self, state: Any) -> np.ndarray:
        """(n,) the lag of each row's rival: the baseline against which its skill is measured; 1 is naive."""

    def measure(self, state: Any, rows: np.ndarray) -> np.ndarray:
        """(k,) the unit of MASE of each row; 0 where none can be said yet."""

    def forecast(self, state: Any, rows: np.ndarray, horizon: int | None = None) -> np.ndarray:
        """(k, h, L) quantiles at `config.levels` for the h steps after each row's origin; the state stays as it is."""

    def fallback(self, state: Any, rows: np.ndarray, horizon: int | None = None) -> np.ndarray:
        """The same from the model's fallback."""

    def warming(self, state: Any, rows: np.ndarray) -> np.ndarray:
        """(k,) bool: are there too few values yet for the model to answer? The fallback does."""

    def silence(self, state: Any, rows: np.ndarray) -> np.ndarray:
        """(k,) steps from each row's last real value to its origin; any count above the window stands for longer."""

    def last_values(self, state: Any, rows: np.ndarray) -> np.ndarray:
        """(k, w) the last values of rows, as many as the state holds; a missing one is the value before it."""

    def gates(self, state: Any, row: int, value: float) -> Sequence[dict[str, np.ndarray]]:
        """The gate activations of the step that `value` would cause, layer by layer; none where a model has none."""

    def inspection(self) -> Inspection | None:
        """Looks inside the model; None for a kind that shows nothing."""

    def warm_up(self) -> None:
        """Compile what the first value would otherwise wait for."""
