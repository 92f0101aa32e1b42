"""A paired test that asks for no distribution: could the differences of two models be the luck of the draw?"""

import numpy as np

SIGNIFICANCE = 0.05  # largest chance at which a difference is believed
FLIPS = 4_000  # random sign patterns; below 2^n patterns every one is tried instead
SEED = 7  # of the sign patterns: the same evidence always gives the same decision


def sign_flip_test(differences: np.ndarray) -> float:
    """One-sided paired permutation test: the chance of a mean at least this large if each sign were a coin's.

    differences (n,), the greater the more they speak for what is tested. They can give no chance below 2^-n, so few of
    them prove little.
    """
    n = len(differences)
    if 2 ** min(n, 30) <= FLIPS:
        signs = 1 - 2 * (np.arange(2**n)[:, None] >> np.arange(n) & 1)
    else:
        signs = np.random.default_rng(SEED).choice(np.array([-1, 1]), (FLIPS, n))
        signs[0] = 1  # what was observed is one of the possible draws
    means = signs @ differences
    return float(np.mean(means >= differences.sum() - 1e-12 * np.abs(differences).sum()))


def testable(units: int) -> bool:
    """Are there enough units for the test to convince at all?"""
    return bool(0.5**units <= SIGNIFICANCE)
