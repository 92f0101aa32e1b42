"""Features of the engine at anchors: what a scorer reads, and the values that judge it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from forecasting.cycles import longer_cycle
from forecasting.kernel.scaling import fill
from forecasting.panel import Panel
from forecasting.universal.advance import expect_leads
from forecasting.universal.engine import Engine
from forecasting.universal.layout import BY_CYCLE, LAST, MOST_CYCLES, PLAIN, SCALE, StateLayout
from forecasting.universal.shipped import configure, prior, start
from pretraining.real_series import Group

COLD = (1, 2, 3, 4, 6, 8, 12, 16)
EXPERTS = len(PLAIN) + MOST_CYCLES * len(BY_CYCLE)
LEADS = 12


@dataclass
class Anchors:
    """One row for each anchor; experts and leads that a layout does not have are NaN, and 0 in counts.

    error (n, 2, LEADS, EXPERTS + 1), count (n, LEADS, EXPERTS + 1), forecast (n, LEADS, EXPERTS), actual (n, LEADS),
    leads (n, LEADS), size (n,), unit (n,) of MASE over the whole series, seen (n,) values, group (n,), cycle (n, 3).
    """

    arrays: dict[str, np.ndarray]


def engine_of(group: Group) -> Engine:
    """The engine as it would be shipped for a group of series."""
    panel = Panel.of(group.series)
    found = longer_cycle(panel, group.season, group.horizon)
    cycles = [found] if found else []
    config = configure(group.freq, group.horizon, group.season, cycles)
    layout = StateLayout(config.cycles, group.horizon)
    return Engine(layout, prior(group.freq, group.season, cycles), start(group.freq, group.season), config.window)


def anchors_of(length: int, horizon: int, most: int) -> np.ndarray:
    """Numbers of values after which a series is forecast."""
    late = np.unique(np.linspace(20, max(20, length - horizon), most).astype(int))
    every = np.unique(np.concatenate([COLD, late]))
    return every[every <= length - max(1, horizon // 2)]


def cache(group: Group, number: int, most: int) -> Iterator[dict[str, np.ndarray]]:
    """The anchors of every series of a group."""
    engine = engine_of(group)
    leads, own = engine.leads[:, 0], engine.layout.experts
    count = len(leads)
    for y in group.series:
        lag = group.season if len(y) > 2 * group.season else 1
        unit = np.nanmean(np.abs(y[lag:] - y[:-lag])) if len(y) > lag else np.nan
        at = anchors_of(len(y), group.horizon, most)
        if not len(at) or not unit > 0:
            continue
        n = len(at)
        found = {
            "error": np.full((n, 2, LEADS, EXPERTS + 1), np.nan, np.float32),
            "count": np.zeros((n, LEADS, EXPERTS + 1), np.uint8),
            "forecast": np.full((n, LEADS, EXPERTS), np.nan, np.float64),
            "actual": np.full((n, LEADS), np.nan),
            "seasonal": np.full((n, LEADS), np.nan),
            "leads": np.zeros((n, LEADS), np.int32),
            "size": np.zeros(n),
            "scale": np.zeros(n),
            "last": np.zeros(n),
            "unit": np.full(n, unit),
            "seen": at.astype(np.int32),
            "group": np.full(n, number, np.int32),
            "cycle": np.tile(
                np.pad(np.array(engine.layout.cycles, np.int32), (0, 3 - len(engine.layout.cycles))), (n, 1)
            ),
        }
        arrays, before = engine.empty(1), 0
        arrays["origin"][:] = -1
        for i, stop in enumerate(at.tolist()):
            engine.advance_here(arrays, y[None, before:stop])
            before = stop
            if arrays["observed"][0] == 0:
                continue
            found["error"][i, :, :count, :own], found["error"][i, :, :count, -1] = (
                arrays["error"][0, :, :, :own],
                arrays["error"][0, :, :, own],
            )
            found["count"][i, :count, :own], found["count"][i, :count, -1] = (
                arrays["count"][0, :, :own],
                arrays["count"][0, :, own],
            )
            expect_leads(
                arrays["numbers"][0],
                arrays["profile"][0],
                arrays["met"][0],
                engine.seasons,
                arrays["origin"][0],
                engine.leads,
                found["forecast"][i, :count, :own],
            )
            inside = stop + leads - 1 < len(y)
            found["actual"][i, :count][inside] = y[stop + leads[inside] - 1]
            found["leads"][i, :count] = leads
            back = stop + leads - 1 - group.season * -(-leads // group.season)
            held = _held(y[:stop])
            found["seasonal"][i, :count] = np.where(back >= 0, held[np.maximum(back, 0)], held[-1])
            found["size"][i] = abs(arrays["numbers"][0, LAST]) + arrays["numbers"][0, SCALE]
            found["scale"][i], found["last"][i] = arrays["numbers"][0, SCALE], arrays["numbers"][0, LAST]
        yield found


def _held(y: np.ndarray) -> np.ndarray:
    """The values with each gap filled by the value before it."""
    return np.asarray(fill(y[None])[0])
