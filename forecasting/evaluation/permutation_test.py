"""A paired permutation test of the differences between two models, without an assumption about their distribution."""

import numpy as np

SIGNIFICANCE = 0.05  # largest p-value of a significant difference
FLIPS = 4_000  # random sign patterns; if there are no more than this in all, every one is used
SEED = 7  # of the sign patterns: the same differences always give the same p-value


def sign_flip_test(differences: np.ndarray) -> float:
    """p-value of the one-sided paired permutation test: the probability of a mean at least this large under random
    signs.

    differences (n,), large where they support the hypothesis. The p-value is at least 2^-n, so few differences cannot
    be significant.
    """
    n = len(differences)
    if 2 ** min(n, 30) <= FLIPS:
        signs = 1 - 2 * (np.arange(2**n)[:, None] >> np.arange(n) & 1)
    else:
        signs = np.random.default_rng(SEED).choice(np.array([-1, 1]), (FLIPS, n))
        signs[0] = 1  # the observed signs are one of the patterns
    means = signs @ differences
    return float(np.mean(means >= differences.sum() - 1e-12 * np.abs(differences).sum()))


def can_be_significant(units: int) -> bool:
    """Whether the test of this number of units can be significant at all."""
    return bool(0.5**units <= SIGNIFICANCE)
