"""The network in torch: what it is trained by, on a dataset or on many (`pretraining`).

The arithmetic is that of `forecasting.universal.network`; a test holds the two equal. The loss is the pinball loss,
half in the unit of each series, half in units of the mix's own usual error, so that intervals hold for calm series too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from forecasting.config import LEVELS
from forecasting.tuning.anchors import States
from forecasting.tuning.tunable import AnchorBatch
from forecasting.universal.engine import Engine
from forecasting.universal.layout import LAST
from forecasting.universal.network import (
    ALL_VALUES,
    FARTHEST_MOVE,
    FIRST_VALUES,
    NAMES,
    PREFIX,
    QUIET,
    SCALE_PLACE,
    STRONGEST,
)
from forecasting.universal.network_inputs import INPUTS, SHARED, SLOTS

WIDTH: Final = 64
DROPOUT = 0.1
LARGEST_ERROR = 10.0  # in units of the usual error, that counts
LEAST_UNIT = 1e-3  # usual error, in the unit of the series, that an error is divided by
MEDIAN: Final = len(LEVELS) // 2
SIGNED: Final = [*range(SLOTS), *(2 * SLOTS + place for place in (8, 10, SHARED - 1))]  # change sign with the series


class TunedNetwork(nn.Module):
    """Two layers at every lead, the second one with the mean of the leads, and corrections of the quantiles."""

    rate, decay = 2e-3, 1e-2
    levels: Tensor

    def __init__(self, weights: Mapping[str, np.ndarray] | None = None) -> None:
        """weights: of an artifact, to begin with; by default random ones that correct nothing."""
        super().__init__()
        levels = len(LEVELS)
        self.input, self.pool = nn.Linear(INPUTS, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.own, self.pooled = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH, bias=False)
        self.output = nn.Linear(WIDTH, levels)
        self.dropout = nn.Dropout(DROPOUT)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)
        self.register_buffer("levels", torch.tensor(LEVELS))
        if weights is not None and f"{PREFIX}{NAMES[0]}" in weights:
            self._load(weights)

    def _load(self, weights: Mapping[str, np.ndarray]) -> None:
        with torch.no_grad():
            for name in NAMES:
                layer, kind = self._place(name)
                array = torch.from_numpy(np.asarray(weights[f"{PREFIX}{name}"], np.float32))
                getattr(getattr(self, layer), kind).copy_(array if kind == "bias" else array.T)

    def export(self) -> dict[str, np.ndarray]:
        """See `Tunable`; matrices are (inputs, outputs), float32."""
        found = {}
        for name in NAMES:
            layer, kind = self._place(name)
            array = getattr(getattr(self, layer), kind).detach().numpy()
            found[f"{PREFIX}{name}"] = np.ascontiguousarray(array if kind == "bias" else array.T, np.float32)
        return found

    @staticmethod
    def _place(name: str) -> tuple[str, str]:
        return (name.removesuffix("_bias"), "bias") if name.endswith("_bias") else (name, "weight")

    def read(self, engine: Engine, states: States) -> dict[str, np.ndarray]:
        """See `Tunable`: lines (A, K, INPUTS), middle (A, K) and bounds (A, 2) as distances from the last value, unit
        (A, K), shape (A, L), real (A, K): 1 at a known lead."""
        found = engine.lines(states)
        last = states["numbers"][:, LAST, None]
        found["middle"] -= last
        found["bounds"] -= last
        found["real"] = np.ones(found["middle"].shape)
        return {name: array.astype(np.float32) for name, array in found.items()}

    def forward(self, features: Mapping[str, Tensor], seen: Tensor) -> Tensor:
        """(n, K, L): the move of the middle and the logs of the factors."""
        real = features["real"][..., None]
        hidden = self.dropout(torch.relu(self.input(features["lines"])))
        context = torch.relu(self.pool((hidden * real).sum(1) / real.sum(1)))
        second = torch.relu(self.own(hidden) + self.pooled(context)[:, None])
        moves = self.output(self.dropout(second))
        heard = ((seen - FIRST_VALUES) / (ALL_VALUES - FIRST_VALUES)).clamp(0, 1)[:, :, None]
        middle = moves[..., :1].clamp(-FARTHEST_MOVE, FARTHEST_MOVE)
        heard = heard * (features["lines"][..., SCALE_PLACE : SCALE_PLACE + 1].exp() / QUIET).clamp(max=1)
        return heard * torch.cat([middle, moves[..., 1:].clamp(-STRONGEST, STRONGEST)], 2)

    def quantiles(self, features: Mapping[str, Tensor], moves: Tensor, unit: Tensor) -> Tensor:
        """(n, K, L) as distances from the last value; features and `unit` (n, 1) as they come, both in data units."""
        shape = features["shape"]
        gaps = (shape[:, 1:] - shape[:, :-1])[:, None] * torch.exp(moves[..., 1:])
        below = -gaps[..., :MEDIAN].flip(-1).cumsum(-1).flip(-1)
        above = gaps[..., MEDIAN:].cumsum(-1)
        place = torch.cat([below, torch.zeros_like(moves[..., :1]), above], -1)
        place = place + shape[:, None, MEDIAN : MEDIAN + 1] + moves[..., :1]
        found = (features["middle"][..., None] + features["unit"][..., None] * place) / unit[..., None]
        low, high = (features["bounds"] / unit).unbind(1)
        return found.clamp(low[:, None, None], high[:, None, None])

    def loss(self, batch: AnchorBatch) -> Tensor:
        """See `Tunable`."""
        found = self.quantiles(batch.features, self(batch.features, batch.seen), batch.unit)
        distance = batch.actual[..., None] - found
        pinball = torch.maximum(self.levels * distance, (self.levels - 1) * distance).mean(-1)
        known = batch.weight > 0
        own = (pinball / (batch.features["unit"] / batch.unit).clamp(min=LEAST_UNIT)).clamp(max=LARGEST_ERROR)
        return ((pinball * batch.weight).sum() + (own * known).sum()) / (2 * known.sum().clamp(min=1))


def mirrored(batch: AnchorBatch, signs: Tensor) -> AnchorBatch:
    """The batch with some series upside down: signs (n,) of 1 and -1."""
    own, turned = dict(batch.features), (signs < 0)[:, None]
    lines = own["lines"].clone()
    lines[:, :, SIGNED] *= signs[:, None, None]
    own["lines"], own["middle"] = lines, own["middle"] * signs[:, None]
    own["shape"] = torch.where(turned, -own["shape"].flip(1), own["shape"])
    own["bounds"] = torch.where(turned, -own["bounds"].flip(1), own["bounds"])
    return AnchorBatch(own, batch.unit, batch.seen, batch.size, batch.actual * signs[:, None], batch.weight)
