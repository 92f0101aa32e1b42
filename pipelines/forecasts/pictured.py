"""What a picture of a forecast shows: the last values of one series, and its fan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from data.errors import NothingObserved
from data.grid.grid import Ints
from data.schema import SERIES, TIME, TimeKind
from data.store import catalogue
from data.store.catalogue import Dataset
from pipelines.forecasts.batch_forecast import BatchForecasts
from pipelines.history.cells import Windows, read_values
from pipelines.history.ends import Ends, read_ends
from pipelines.history.moment import newest_moment
from pipelines.workspace import Workspace

LEAST_PAST, MOST_PAST = 24, 2000  # steps
ROUNDS = 3  # length of the past, in horizons


@dataclass(frozen=True)
class Picture:
    """One series. Times are µs since 1970 UTC, or steps; values in data units, NaN where missing.

    past_ds, past  (C,) up to the origin, which is the last of them
    ds, median     (H,) after the origin
    bands          (H,) lower and upper end of each interval, by its per cent, the widest first
    kind, target   what times and values are: see the dataset
    """

    unique_id: str
    model: str
    kind: TimeKind
    target: str
    past_ds: Ints
    past: np.ndarray
    ds: Ints
    median: np.ndarray
    bands: Mapping[int, tuple[np.ndarray, np.ndarray]]

    @property
    def extent(self) -> tuple[float, float]:
        """The smallest and the largest value of all, a little apart where they are equal."""
        drawn = np.concatenate([self.past, self.median, *(end for ends in self.bands.values() for end in ends)])
        drawn = drawn[np.isfinite(drawn)]
        if not len(drawn):
            return 0.0, 1.0
        low, high = float(drawn.min()), float(drawn.max())
        return (low, high) if high > low else (low - (abs(low) or 1) / 10, high + (abs(high) or 1) / 10)


def picture_of(workspace: Workspace, result: BatchForecasts, unique_id: str | None = None) -> Picture:
    """The picture of one series of a forecast, of the first one unless named. Raises NothingObserved for none."""
    name = next(iter(result.origins), None) if unique_id is None else unique_id
    if name is None:
        raise NothingObserved(result.dataset.name)
    dataset, rows = result.dataset, result.frame.filter(result.frame[SERIES] == name)
    steps = int(np.clip(ROUNDS * rows.height, LEAST_PAST, MOST_PAST))
    ends = read_ends(workspace, dataset)
    ends = ends.select(np.array([ends.unique_ids.index(name)]))
    origin = dataset.grid.steps(np.array([result.origins[name]]))
    past = past_values(workspace, dataset, ends, origin, steps)[0]
    label = catalogue.labels(workspace.engine, dataset, ends.series.tolist()).get(int(ends.series[0]), 0)
    levels = sorted(set(result.levels), reverse=True)
    return Picture(
        unique_id=name,
        model=f"{result.model} version {result.version}",
        kind=dataset.kind,
        target=dataset.target,
        past_ds=dataset.grid.label_stamps(origin[0] + 1 + np.arange(-steps, 0), label),
        past=past,
        ds=rows[TIME].to_numpy(),
        median=rows[result.model].to_numpy(),
        bands={
            p: (rows[f"{result.model}-lo-{p}"].to_numpy(), rows[f"{result.model}-hi-{p}"].to_numpy()) for p in levels
        },
    )


def past_values(workspace: Workspace, dataset: Dataset, ends: Ends, origins: Ints, steps: int) -> np.ndarray:
    """(n, steps) the values of series up to grid steps `origins` (n,); NaN where there is none."""
    windows = Windows.of(ends, origins + 1 - steps, origins + 1)
    found = read_values(workspace, dataset, windows, newest_moment(workspace, dataset)).series()
    out = np.full((len(ends), steps), np.nan)
    for row, values in enumerate(found):
        stop = steps - int(origins[row] + 1 - windows.stop[row])
        out[row, stop - len(values) : stop] = values
    return out
