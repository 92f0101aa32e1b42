"""Data augmentation: convex mixtures of the series in a batch, so that a network learns more from few series.

    y = λ y_a + (1 - λ) y_b · s_a / s_b,      λ ~ max(B, 1 - B), B ~ Beta(0.4, 0.4),   s = mean |y|

Mixup (Zhang et al. 2018) as Chronos applies it to series (Ansari et al. 2024). Past and future are mixed alike, so that
the mixture's future is a valid target for a forecast from its past.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from forecasting.training.chunk import Chunk

CONCENTRATION = 0.4  # of the Beta distribution: most mixtures are close to one of the two series


def mix_series(chunk: Chunk, rng: np.random.Generator, share_of_lanes: float) -> Chunk:
    """The chunk with a share of its lanes mixed with other lanes of it; scale, gaps and weights stay those of the
    first."""
    lanes = len(chunk.fresh)
    other = torch.from_numpy(rng.permutation(lanes))
    drawn = rng.beta(CONCENTRATION, CONCENTRATION, lanes)
    own = np.where(rng.random(lanes) < share_of_lanes, np.maximum(drawn, 1 - drawn), 1.0)
    share = torch.from_numpy(own)[:, None]
    size = chunk.values.abs().mean(1, keepdim=True) + 1e-12
    rest = (1 - share) * size / size[other]
    alone = share == 1  # then a missing target of the other series does not count
    targets = torch.where(alone, chunk.targets, share * chunk.targets + rest * chunk.targets[other])
    counts = torch.where(alone, chunk.counts, torch.minimum(chunk.counts, chunk.counts[other]))
    values = share * chunk.values + rest * chunk.values[other]
    # The phase means are linear in the values, so they are mixed alike.
    phase_means = (share * chunk.phase_means + rest * chunk.phase_means[other]).float()
    return replace(chunk, values=values, phase_means=phase_means, targets=targets, counts=counts)
