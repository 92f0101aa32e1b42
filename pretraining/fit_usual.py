"""Fits the usual relations of the experts' errors (`USUAL` in forecasting/universal/shipped.py) to cached anchors.

The mix of `forecasting.universal.mixing` is written in torch, its exponent and its trust fixed. The three numbers of
each expert follow the gradient of the mix's absolute error. A group of series counts as much as any other: its errors
are divided by those of the better of naive and seasonal naive, or of naive after at most 20 values. Every fourth group
is left out of the fit and judges it.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from forecasting.universal.layout import BY_CYCLE, MOST_CYCLES, PLAIN
from forecasting.universal.mixing import LARGEST_RELATION, QUICK_SHARE, TRUST

EXPONENT = 8.0
FLOOR = 0.9  # of a relation
EARLY = 20  # values
EARLY_WEIGHT = 0.4
MOST_LATE, MOST_EARLY = 300, 100  # anchors of a group
HELD_OUT = 4  # every fourth group judges
BATCH, RATE, PULL = 700, 0.04, 1e-4
NAMES = (*PLAIN, *BY_CYCLE)
KINDS = [*range(len(PLAIN)), *(len(PLAIN) + k for _ in range(MOST_CYCLES) for k in range(len(BY_CYCLE)))]


@dataclass(frozen=True)
class Anchored:
    """Tensors with one row for each anchor; values are in the unit of MASE, from the last value."""

    error: Tensor  # (n, 2, K, X)
    count: Tensor  # (n, K, X)
    forecast: Tensor  # (n, K, X)
    known: Tensor  # (n, K, X) bool: has the expert a forecast
    actual: Tensor  # (n, K)
    weight: Tensor  # (n, K), 0 where there is no value
    seen: Tensor  # (n, 1)
    leads: Tensor  # (n, K)
    group: np.ndarray
    early: np.ndarray

    def rows(self, chosen: np.ndarray) -> "Anchored":
        at = torch.as_tensor(chosen)
        tensors = {name: value[at] for name, value in vars(self).items() if isinstance(value, Tensor)}
        return Anchored(**tensors, group=self.group[chosen], early=self.early[chosen])


def prepare(arrays: dict[str, np.ndarray], seed: int) -> Anchored:
    """The anchors of every group, at most so many, with the weights by which they count."""
    rng, every = np.random.default_rng(seed), []
    for group in np.unique(arrays["group"]):
        for early, most in ((True, MOST_EARLY), (False, MOST_LATE)):
            own = np.flatnonzero((arrays["group"] == group) & ((arrays["seen"] <= EARLY) == early))
            every.append(rng.permutation(own)[:most])
    chosen = np.sort(np.concatenate(every))
    a = {name: value[chosen] for name, value in arrays.items()}
    unit, last = a["unit"][:, None], a["last"][:, None]
    actual, seasonal = (a["actual"] - last) / unit, (a["seasonal"] - last) / unit
    forecast = a["forecast"] / unit[:, :, None]
    inside, early = np.isfinite(actual) & (a["leads"] > 0), a["seen"] <= EARLY
    weight = _weights(a["group"], early, inside, np.abs(actual), np.abs(actual - seasonal))
    experts = len(KINDS)
    known = np.isfinite(forecast)
    known[:, :, 0] = True

    def tensor(values: np.ndarray) -> Tensor:
        return torch.as_tensor(np.nan_to_num(values).astype(np.float32))

    return Anchored(
        tensor(a["error"][..., :experts] / unit[:, :, None, None]),
        tensor(a["count"][..., :experts]),
        tensor(np.clip(np.nan_to_num(forecast), -1e4, 1e4)),
        torch.as_tensor(known),
        tensor(actual),
        tensor(weight),
        tensor(a["seen"][:, None]),
        tensor(a["leads"]),
        a["group"],
        early,
    )


def _weights(
    group: np.ndarray, early: np.ndarray, inside: np.ndarray, naive: np.ndarray, seasonal: np.ndarray
) -> np.ndarray:
    """(n, K): one over the error that the group's baseline makes in all."""
    weight = np.zeros(inside.shape)
    for one in np.unique(group):
        for soon in (True, False):
            own = (group == one) & (early == soon)
            used = inside[own]
            if used.any():
                totals = [np.nansum(np.where(used, errors[own], 0)) for errors in (naive, seasonal)]
                total = totals[0] if soon else min(totals)
                weight[own] = used * (EARLY_WEIGHT if soon else 1.0) / max(total, 1e-9)
    return weight


class Relations(nn.Module):
    """The three numbers of each expert, as logarithms."""

    def __init__(self) -> None:
        super().__init__()
        self.prior = nn.Parameter(torch.full((len(NAMES),), -1.2))
        self.few = nn.Parameter(torch.full((len(NAMES),), -1.0))
        self.reach = nn.Parameter(torch.full((len(NAMES),), -1.5))
        with torch.no_grad():  # naive is what the others are measured by
            self.few[0] = self.reach[0] = -6.0

    def forward(self, anchors: Anchored) -> Tensor:
        """(n, K) the mix of the experts' forecasts."""
        kinds = torch.as_tensor(KINDS)
        relation = FLOOR + self.prior.exp()[kinds] + self.few.exp()[kinds] / anchors.seen
        error = QUICK_SHARE * anchors.error[:, 1] + (1 - QUICK_SHARE) * anchors.error[:, 0]
        before, logits = torch.zeros_like(anchors.seen), []
        for k in range(error.shape[1]):
            lead = anchors.leads[:, k : k + 1]
            relation = relation + self.reach.exp()[kinds] * (lead - before).clamp(min=0) / anchors.seen
            before = torch.maximum(before, lead)
            relation = self._met(relation, error[:, k], anchors.count[:, k])
            logits.append(-EXPONENT * relation.log())
        weights = torch.softmax(torch.stack(logits, 1).masked_fill(~anchors.known, -1e9), 2)
        return (weights * anchors.forecast).sum(2)

    @staticmethod
    def _met(relation: Tensor, error: Tensor, count: Tensor) -> Tensor:
        known = count > 0
        best = torch.where(known, error, torch.inf).amin(1, keepdim=True)
        best = torch.where(torch.isfinite(best), best, torch.zeros_like(best))
        own = ((error + 1e-9) / (best + 1e-9)).clamp(max=LARGEST_RELATION)
        drawn = (count * own + TRUST * relation) / (count + TRUST)
        return torch.where(known, torch.where(own < LARGEST_RELATION, drawn, own), relation)


def fit(anchors: Anchored, steps: int, seed: int) -> Relations:
    """Follow the gradient for so many steps; the same seed gives the same numbers on one machine."""
    model = Relations()
    begun = [value.detach().clone() for value in model.parameters()]
    optimiser = torch.optim.Adam(model.parameters(), RATE)
    rng = np.random.default_rng(seed)
    learned = np.flatnonzero(anchors.group % HELD_OUT != 0)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = RATE * min(1.0, (steps - step) / (0.4 * steps) + 0.02)
        batch = anchors.rows(rng.choice(learned, min(BATCH, len(learned)), replace=False))
        loss = ((model(batch) - batch.actual).abs() * batch.weight).sum() / batch.weight.sum()
        pull = sum(((value - old) ** 2).mean() for value, old in zip(model.parameters(), begun, strict=True))
        optimiser.zero_grad()
        (loss + PULL * pull).backward()
        optimiser.step()
    return model


def judge(model: Relations, anchors: Anchored) -> dict[str, float]:
    """Geometric mean over groups of the mix's error over the baseline's, learned and held out, early and late."""
    with torch.no_grad():
        parts = [model(anchors.rows(part)) for part in np.array_split(np.arange(len(anchors.group)), 20)]
    loss = ((torch.cat(parts) - anchors.actual).abs() * anchors.weight).sum(1).numpy()
    found = {}
    for held in (False, True):
        for soon in (False, True):
            own = [loss[(anchors.group == g) & (anchors.early == soon)].sum() for g in np.unique(anchors.group)
                   if (g % HELD_OUT == 0) == held]  # fmt: skip
            ratios = np.array([total for total in own if total > 0]) / (EARLY_WEIGHT if soon else 1.0)
            found[f"{'held_out' if held else 'learned'}_{'early' if soon else 'late'}"] = float(
                np.exp(np.log(ratios).mean())
            )
    return found
