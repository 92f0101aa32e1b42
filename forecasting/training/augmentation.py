"""Series that never were: convex mixtures of those in a batch, so that few series teach as many would.

    y = λ y_a + (1 - λ) y_b · s_a / s_b,      λ ~ max(B, 1 - B), B ~ Beta(0.4, 0.4),   s = mean |y|

Mixup (Zhang et al. 2018) as Chronos applies it to series (Ansari et al. 2024): what is mixed is past and future alike,
so that the mixture's forecast is as honest a target as a series' own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from forecasting.training.windows import Chunk

CONCENTRATION = 0.4  # of the Beta distribution: most mixtures are nearly one of the two


def mixed(chunk: Chunk, rng: np.random.Generator, share_of_lanes: float) -> Chunk:
    """The chunk with a share of its lanes mixed with others of it; units, gaps and weights stay those of the first."""
    lanes = len(chunk.fresh)
    other = torch.from_numpy(rng.permutation(lanes))
    drawn = rng.beta(CONCENTRATION, CONCENTRATION, lanes)
    own = np.where(rng.random(lanes) < share_of_lanes, np.maximum(drawn, 1 - drawn), 1.0)
    share = torch.from_numpy(own)[:, None]
    size = chunk.values.abs().mean(1, keepdim=True) + 1e-12
    rest = (1 - share) * size / size[other]
    alone = share == 1  # a missing target of the other series is no matter then
    targets = torch.where(alone, chunk.targets, share * chunk.targets + rest * chunk.targets[other])
    counts = torch.where(alone, chunk.counts, torch.minimum(chunk.counts, chunk.counts[other]))
    values = share * chunk.values + rest * chunk.values[other]
    memory = (share * chunk.memory + rest * chunk.memory[other]).float()  # linear in the values, whatever the phase
    return replace(chunk, values=values, memory=memory, targets=targets, counts=counts)
