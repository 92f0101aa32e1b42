"""The mix of the experts in torch, whose usual relations (`prior` in the artifact's weights) are fitted to a dataset.

The arithmetic is that of `forecasting.universal.mixing`; a test holds the two equal.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from forecasting.tuning.anchors import States, read_mix
from forecasting.tuning.tunable import AnchorBatch
from forecasting.universal.engine import Engine
from forecasting.universal.mixing import CAUTIOUS, FAINT, LARGEST_RELATION, QUICK_SHARE, TRUST

EXPONENT = 8.0
FLOOR = 0.9  # of a usual relation
SMALLEST = 1e-3  # of what it grows by
PULL = 1e-4  # of the squared distance from the shipped numbers, beside the mean error


class TunedPrior(nn.Module):
    """The three numbers of each expert, as logarithms of what they are above their floor."""

    def __init__(self, prior: np.ndarray, leads: np.ndarray, cycles: Sequence[int]) -> None:
        """prior (3, experts) to begin with; leads (K,) in steps."""
        super().__init__()
        above = np.stack([prior[0] - FLOOR, prior[1], prior[2]])
        self.logs = nn.Parameter(torch.from_numpy(np.log(np.maximum(above, SMALLEST)).astype(np.float32)))
        self._begun = self.logs.detach().clone()
        self._leads = [float(lead) for lead in leads]
        self._alone = min(float(cycles[0]), CAUTIOUS) if cycles else 0.0  # values before which others are not heard

    def read(self, engine: Engine, states: States) -> dict[str, np.ndarray]:
        """See `Tunable`."""
        return read_mix(engine, states)

    def loss(self, batch: AnchorBatch) -> Tensor:
        """The mean absolute error of the mix, and a little for what has moved."""
        missed = ((self(batch) - batch.actual).abs() * batch.weight).sum() / (batch.weight > 0).sum().clamp(min=1)
        return missed + PULL * ((self.logs - self._begun) ** 2).mean()

    def export(self) -> dict[str, np.ndarray]:
        """See `Tunable`."""
        own = np.exp(self.logs.detach().numpy().astype(np.float64))
        return {"prior": own + np.array([[FLOOR], [0.0], [0.0]])}

    def forward(self, batch: AnchorBatch) -> Tensor:
        """(n, K) the mix, as a distance from the last value in units of the series."""
        forecast = batch.features["forecast"] / batch.unit[:, :, None]
        known = ~torch.isnan(forecast)
        if self._alone:
            first = torch.zeros(forecast.shape[2], dtype=torch.bool)
            first[0] = True
            known = known & (first | (batch.seen >= self._alone)[:, :, None])
        weights = torch.softmax((-EXPONENT * self.relations(batch).log()).masked_fill(~known, -torch.inf), 2)
        return (weights * torch.where(known, forecast, 0.0)).sum(2)

    def relations(self, batch: AnchorBatch) -> Tensor:
        """(n, K, experts) how an expert's error is expected to relate to that of the best one."""
        usual, few, reach = self.logs.exp()
        relation = FLOOR + usual + few / batch.seen
        size = batch.size.clamp(min=1e-30)[:, :, None]
        experts, before, found = len(usual), 0.0, []
        error, count = batch.features["error"][..., :experts] / size[..., None], batch.features["count"][..., :experts]
        error = QUICK_SHARE * error[:, 1] + (1 - QUICK_SHARE) * error[:, 0] + FAINT
        for k, lead in enumerate(self._leads):
            relation = relation + reach * (lead - before) / batch.seen
            before = lead
            relation = _met(relation, error[:, k], count[:, k].float())
            found.append(relation)
        return torch.stack(found, 1)


def _met(relation: Tensor, error: Tensor, count: Tensor) -> Tensor:
    """The relation (n, experts) after the errors at one lead."""
    known = count > 0
    best = torch.where(known, error, torch.inf).amin(1, keepdim=True)
    own = torch.where(known, error / best, 1.0).clamp(max=LARGEST_RELATION)
    drawn = (count * own + TRUST * relation) / (count + TRUST)
    return torch.where(known, torch.where(own < LARGEST_RELATION, drawn, own), relation)
