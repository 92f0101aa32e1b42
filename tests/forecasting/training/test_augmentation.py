"""Mixtures of series: convex, in the units of the first series, with the gaps of both."""

import numpy as np

from forecasting.config import ModelConfig
from forecasting.panel import Panel
from forecasting.training.augmentation import mix_series
from forecasting.training.windows import ChunkReader

CONFIG = ModelConfig("lstm", 8, 4, 3, 1, 1, 1, hidden_size=4, num_layers=1)


def test_a_mixture_has_the_scale_of_its_first_series() -> None:
    panel = Panel.of([np.full(60, 10.0), np.full(60, 1000.0)])
    chunk = ChunkReader(panel, CONFIG).read(np.array([0, 1]), np.array([20, 20]), 12, np.ones(2, bool))
    mixture = mix_series(chunk, np.random.default_rng(0), 1.0)
    np.testing.assert_allclose(mixture.values.mean(1), [10, 1000])  # both flat: any mixture in own units is the same
    np.testing.assert_allclose(mixture.targets.nanmean(1), [10, 1000])


def test_a_mixture_of_lines_is_a_line_and_share_0_changes_nothing() -> None:
    panel = Panel.of([np.arange(1.0, 61), np.arange(60.0, 0, -1)])
    chunk = ChunkReader(panel, CONFIG).read(np.array([0, 1]), np.array([20, 20]), 12, np.ones(2, bool))
    same = mix_series(chunk, np.random.default_rng(0), 0.0)
    assert (same.values == chunk.values).all()
    lines = mix_series(chunk, np.random.default_rng(0), 1.0)
    both = np.concatenate([lines.values[:, -1:], lines.targets[:, 11:]], 1)
    np.testing.assert_allclose(np.diff(both, 2), 0, atol=1e-9)  # lines mixed are lines, from past to future


def test_a_missing_target_of_either_series_is_missing_in_the_mixture() -> None:
    gap = np.arange(1.0, 61)
    gap[30] = np.nan
    panel = Panel.of([np.arange(1.0, 61), gap])
    chunk = ChunkReader(panel, CONFIG).read(np.array([0, 1]), np.array([20, 20]), 12, np.ones(2, bool))
    rng = np.random.default_rng(1)
    while not (mixture := mix_series(chunk, rng, 1.0)).targets[0].isnan().any():  # until the two are drawn together
        pass
    assert mixture.targets.isnan().sum(1).tolist() == [1, 1]
