"""The anchors of groups of series, from which the network that ships is trained."""

from dataclasses import fields, replace

import numpy as np
import torch

from forecasting.panel import Panel
from forecasting.tuning.anchors import gather_anchors
from forecasting.tuning.tunable import AnchorBatch, batch_of
from forecasting.tuning.tuned_network import TunedNetwork
from forecasting.universal.network import FIRST_VALUES
from pretraining.cache import engine_of
from pretraining.real_series import Group

LEADS = 8
LATER_STARTS = 2  # of each series that is long enough: it begins anew somewhere in its first half
LONG = 60
FEWEST = 8  # values of a series


def anchors_of_group(group: Group, most: int, rng: np.random.Generator) -> AnchorBatch | None:
    """About `most` anchors at random moments of the series of a group; errors are in the unit of MASE of each."""
    begun = [y for whole in group.series for y in _beginnings(np.asarray(whole, np.float64), rng)]
    units = np.array([_unit(y, group.season) for y in begun])
    kept = [i for i, y in enumerate(begun) if len(y) >= FEWEST and units[i] > 0]
    if not kept:
        return None
    each = max(4, -(-most // len(kept)))
    first, ahead = int(FIRST_VALUES) + 1, max(1, group.horizon // 2)
    stops = [np.unique(rng.integers(first, max(first + 1, len(begun[i]) - ahead), each)) for i in kept]
    stops = [own[own <= len(begun[i]) - ahead] for own, i in zip(stops, kept, strict=True)]
    if not any(map(len, stops)):
        return None
    read = TunedNetwork().read
    anchors = gather_anchors(engine_of(group), Panel.of([begun[i] for i in kept]), stops, read)
    return _padded(batch_of(anchors, units[kept][anchors.series], np.ones(len(anchors))))


def _beginnings(y: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    starts = [0] + [int(rng.integers(0, len(y) // 2)) for _ in range(LATER_STARTS if len(y) > LONG else 0)]
    return [part[(~np.isnan(part)).argmax() :] for part in (y[begin:] for begin in starts)]


def _unit(y: np.ndarray, season: int) -> float:
    """The unit of MASE of a series; 0 where it stands still."""
    lag = season if len(y) > 2 * season else 1
    changes = np.abs(y[lag:] - y[:-lag])
    return float(np.nanmean(changes)) if np.isfinite(changes).any() else 0.0


def _padded(batch: AnchorBatch) -> AnchorBatch:
    """The batch with as many leads as any layout has; those beyond its own are not real and have no weight."""
    more = LEADS - batch.actual.shape[1]

    def pad(name: str, value: torch.Tensor) -> torch.Tensor:
        if name not in ("lines", "middle", "unit", "real", "actual", "weight"):
            return value
        return torch.cat([value, value.new_zeros(len(value), more, *value.shape[2:])], 1)

    own = {name: pad(name, value) for name, value in batch.features.items()}
    return replace(batch, features=own, actual=pad("actual", batch.actual), weight=pad("weight", batch.weight))


def joined(batches: list[AnchorBatch]) -> AnchorBatch:
    """All of them, one after the other."""
    features = {name: torch.cat([batch.features[name] for batch in batches]) for name in batches[0].features}
    others = [field.name for field in fields(AnchorBatch) if field.name != "features"]
    return AnchorBatch(features, **{name: torch.cat([getattr(batch, name) for batch in batches]) for name in others})
