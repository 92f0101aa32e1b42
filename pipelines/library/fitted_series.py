"""A fitted model and the rolling state of every series of a frame."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from data.errors import InvalidInput
from data.grid.grid import Grid
from data.grid.labels import labels_of
from data.grid.stamps import format_ds
from data.schema import SERIES, TIME
from forecasting.evaluation import backtest as engine
from forecasting.kinds import model_of
from forecasting.panel import Panel
from forecasting.rolling.bundle import Bundle
from forecasting.rolling.state import RollingState
from pipelines.forecasts.answers import answer, check_horizon, check_levels, column_names
from pipelines.library.frames import NAME
from states.model import RollingModel

if TYPE_CHECKING:
    from pipelines.library.frame_history import FrameRows

MODEL = "Rollcast"  # the column of the median
NEVER = np.iinfo(np.int64).min


@dataclass
class FittedSeries:
    """The states of some series under one model; row i is that of the series `ids[i]`.

    labels        which day of its period a series writes, see `data.grid.labels`, by its name
    fitted_until  the newest grid step that the model was fitted to
    """

    bundle: Bundle
    grid: Grid
    ids: list[str]
    labels: dict[str, int]
    state: RollingState
    fitted_until: int
    roller: RollingModel = field(init=False)

    def __post_init__(self) -> None:
        self.roller = model_of(self.bundle)

    @classmethod
    def start(cls, bundle: Bundle, panel: Panel, grid: Grid, labels: dict[str, int]) -> FittedSeries:
        """States that have read the whole panel, to which the model was fitted."""
        state = engine.start(model_of(bundle), panel, panel.lengths)
        return cls(bundle, grid, list(panel.ids), labels, state, int(panel.last.max()))

    def fold(self, rows: FrameRows, labels: dict[str, int]) -> None:
        """Take in rows. Series that are new begin with their first value.

        Raises InvalidInput, and takes in nothing, where a row is not after the last one of its series.
        """
        places = {name: row for row, name in enumerate(self.ids)}
        born = [name for name in rows.ids if name not in places]
        places |= {name: len(self.ids) + k for k, name in enumerate(born)}
        at = np.array([places[name] for name in rows.ids], np.int64)[rows.row]
        state = self.state.append(self.roller.empty(len(born)))
        begun = state.observed[at] > 0
        self._refuse_old(rows, np.where(begun, state.origin[at], NEVER))
        self.state, self.ids, self.labels = state, [*self.ids, *born], self.labels | labels
        taken = begun | rows.after_first_value()
        self.roller.fold(state, at[taken], rows.steps[taken], rows.values[taken])

    def _refuse_old(self, rows: FrameRows, last: np.ndarray) -> None:
        """Raises InvalidInput for the first row that is not after `last` (k,), the last step of its series."""
        old = np.flatnonzero(rows.steps <= last)
        if not len(old):
            return
        name = rows.ids[rows.row[old[0]]]
        stamp, newest = (self._written(name, int(step[old[0]])) for step in (rows.steps, last))
        raise InvalidInput(
            f"{stamp} of {name} is not after {newest}, its last row so far; leave it out, or fit again to correct it",
            source=NAME,
            column=TIME,
        )

    def _written(self, name: str, step: int) -> str | int:
        return format_ds(int(self.grid.label_stamps([step], self.labels.get(name, 0))[0]), self.grid.kind)

    def forecast(self, horizon: int | None, levels: tuple[float, ...]) -> pl.DataFrame:
        """`unique_id`, int64 `ds`, the median and the ends of each interval, of every series that has a value."""
        steps, wanted = check_horizon(horizon, self.bundle.config), check_levels(levels, self.bundle.config)
        rows = np.flatnonzero(self.state.observed > 0)
        state = self.state.take(rows)
        values, _ = answer(self.roller, state, steps, wanted)
        ids = [self.ids[row] for row in rows.tolist()]
        ahead = state.origin[:, None] + 1 + np.arange(steps)
        stamps = self.grid.label_stamps(ahead.ravel(), np.repeat(row_labels(ids, self.labels), steps))
        quantiles = {name: values[..., i].ravel() for i, name in enumerate(column_names(MODEL, levels))}
        return pl.DataFrame({SERIES: pl.Series(ids, dtype=pl.String).gather(np.repeat(np.arange(len(ids)), steps)),
                             TIME: stamps, **quantiles})  # fmt: skip

    def warming(self) -> list[str]:
        """Series that have too few values for the model, so that its fallback answers."""
        cold = self.roller.warming(self.state, np.arange(len(self.ids)))
        return sorted(name for name, warming in zip(self.ids, cold.tolist(), strict=True) if warming)


def row_labels(ids: list[str], labels: dict[str, int]) -> np.ndarray:
    """(n,) the label of each of these series."""
    return labels_of({row: labels[name] for row, name in enumerate(ids) if name in labels}, range(len(ids)))
