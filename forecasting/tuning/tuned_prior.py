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
from forecasting.universal.mixing import CAUTIOUS, FAINT, LARGEST_RELATION, NEAR, QUICK_SHARE, TRUST

EXPONENT = 8.0
FLOOR = 0.9  # of a usual relation
SMALLEST = 1e-3  # of what it grows by
PULL = 1e-4  # of the squared distance from the shipped numbers, beside the mean error


class TunedPrior(nn.Module):
    """The three numbers of each expert, as logarithms of what they are above their floor."""

    def __init__(self, prior: np.ndarray, leads: np.ndarray, cycles: Sequence[int]) -> None:
        """prior (3 or 5, experts) to begin with, of which the first three rows are fitted; leads (K,) in steps."""
        super().__init__()
        above = np.stack([prior[0] - FLOOR, prior[1], prior[2]])
        self.logs = nn.Parameter(torch.from_numpy(np.log(np.maximum(above, SMALLEST)).astype(np.float32)))
        self._begun = self.logs.detach().clone()
        self._others, self._cycle = np.array(prior[3:], np.float64), float(cycles[0]) if cycles else 1.0
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
        return {"prior": np.concatenate([own + np.array([[FLOOR], [0.0], [0.0]]), self._others])}

    def forward(self, batch: AnchorBatch) -> Tensor:
        """(n, K) the mix, as a distance from the last value in units of the series."""
        forecast = batch.features["forecast"] / batch.unit[:, :, None]
        known, first = ~torch.isnan(forecast), torch.zeros(forecast.shape[2], dtype=torch.bool)
        first[0] = True
        heard = first | (batch.seen >= self._alone)[:, :, None]
        weights = torch.softmax((-EXPONENT * self.relations(batch).log()).masked_fill(~heard, -torch.inf), 2)
        weights = self._repeat_first(weights, batch.features["count"][:, 0].float()) * known
        return (weights * torch.where(known, forecast, 0.0)).sum(2) / weights.sum(2)

    def _repeat_first(self, weights: Tensor, count: Tensor) -> Tensor:
        """Gives the expert that repeats a cycle its first part of weights (n, K, experts); count (n, experts) of errors
        one step ahead."""
        if not len(self._others) or not self._others[1].any():
            return weights
        expert = int(np.flatnonzero(self._others[1])[0])
        most, ended = self._others[:, expert].tolist()
        far = (NEAR * torch.tensor(self._leads) / self._cycle) ** 2
        part = (most * (1 - count[:, expert] / ended).clamp(min=0))[:, None, None] * (far / (far + 1))[:, None]
        own = torch.zeros(weights.shape[2])
        own[expert] = 1.0
        return weights * (1 - part) + part * own

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
