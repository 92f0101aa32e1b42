"""Features of the engine at anchors: what a scorer reads, and the values that judge it."""

from collections.abc import Iterator

import numpy as np

from forecasting.cycles import longer_cycle
from forecasting.kernel.scaling import fill
from forecasting.panel import Panel
from forecasting.tuning.anchors import COLD, Anchors, gather_anchors, read_mix
from forecasting.universal.engine import Engine
from forecasting.universal.layout import BY_CYCLE, MOST_CYCLES, PLAIN, StateLayout
from forecasting.universal.shipped import configure, prior, start
from pretraining.real_series import Group

EXPERTS = len(PLAIN) + MOST_CYCLES * len(BY_CYCLE)
LEADS = 12


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
    """The anchors of the series of a group, at most `most` late ones of each; nothing where it has none.

    One row for each anchor; experts and leads that a layout does not have are NaN, and 0 in counts. error (n, 2, LEADS,
    EXPERTS + 1) and count (n, LEADS, EXPERTS + 1), the mix last; forecast (n, LEADS, EXPERTS), distances from the last
    value; actual, seasonal and leads (n, LEADS); size, scale, last (n,), unit (n,) of MASE over the whole series,
    seen (n,) values, group (n,), cycle (n, 3).
    """
    engine, panel = engine_of(group), Panel.of(group.series)
    unit = np.array([_unit(y, group.season) for y in group.series])
    stops = [anchors_of(len(y), group.horizon, most) if unit[i] > 0 else [] for i, y in enumerate(group.series)]
    if not any(map(len, stops)):
        return
    anchors = gather_anchors(engine, panel, [np.asarray(own, np.int64) for own in stops], read_mix)
    cycles = np.pad(np.array(engine.layout.cycles, np.int32), (0, MOST_CYCLES - len(engine.layout.cycles)))
    n, count = len(anchors), len(engine.leads)
    read = anchors.features
    yield {
        "error": _padded(read["error"], (n, 2, LEADS, EXPERTS), np.nan, mixed=True),
        "count": _padded(read["count"], (n, LEADS, EXPERTS), 0, mixed=True),
        "forecast": _padded(read["forecast"], (n, LEADS, EXPERTS), np.nan),
        "actual": np.pad(anchors.actual, ((0, 0), (0, LEADS - count)), constant_values=np.nan),
        "seasonal": np.pad(_seasonal(group, anchors, engine.leads[:, 0]), ((0, 0), (0, LEADS - count)),
                           constant_values=np.nan),
        "leads": np.tile(np.pad(engine.leads[:, 0].astype(np.int32), (0, LEADS - count)), (n, 1)),
        "size": np.abs(anchors.last) + anchors.scale,
        "scale": anchors.scale,
        "last": anchors.last,
        "unit": unit[anchors.series],
        "seen": anchors.seen.astype(np.int32),
        "group": np.full(n, number, np.int32),
        "cycle": np.tile(cycles, (n, 1)),
    }  # fmt: skip


def _unit(y: np.ndarray, season: int) -> float:
    lag = season if len(y) > 2 * season else 1
    return float(np.nanmean(np.abs(y[lag:] - y[:-lag]))) if len(y) > lag else np.nan


def _padded(values: np.ndarray, shape: tuple[int, ...], empty: float, mixed: bool = False) -> np.ndarray:
    """Values (n, …, K, experts) in an array of all leads and experts; `mixed`: their last column is the mix's."""
    found = np.full((*shape[:-1], shape[-1] + mixed), empty, values.dtype)
    leads, own = values.shape[-2], values.shape[-1] - mixed
    found[..., :leads, :own] = values[..., :own]
    if mixed:
        found[..., :leads, -1] = values[..., -1]
    return found


def _seasonal(group: Group, anchors: Anchors, leads: np.ndarray) -> np.ndarray:
    """(n, K) the value of the last known season at each lead; the last value where that lies before the series."""
    back = anchors.stop[:, None] + leads - 1 - group.season * -(-leads // group.season)
    held = [np.asarray(fill(y[None])[0]) for y in group.series]
    offsets = np.cumsum([0, *map(len, held)])[anchors.series][:, None]
    every = np.concatenate(held)
    return np.asarray(np.where(back >= 0, every[offsets + np.maximum(back, 0)], anchors.last[:, None]))
