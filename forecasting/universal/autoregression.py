"""A second-order autoregression from discounted sums: x_t = a x_(t-1) + b x_(t-2), solved when a forecast is made.

The seven numbers are the sums of x₁², x₁x₂, x₂², x₀x₁, x₀x₂ and the last two values.
"""

import numpy as np

from forecasting.kernel.compiled import exact

KEEP = 0.99  # of the sums, at each value
RIDGE = 0.02  # of the sums' size
LARGEST = 0.995  # sum of the coefficients: the process returns to its mean


@exact
def update_autoregression(sums: np.ndarray, value: float) -> None:
    """Take in the next value."""
    first, second = sums[5], sums[6]
    sums[0] = KEEP * sums[0] + first * first
    sums[1] = KEEP * sums[1] + first * second
    sums[2] = KEEP * sums[2] + second * second
    sums[3] = KEEP * sums[3] + value * first
    sums[4] = KEEP * sums[4] + value * second
    sums[5], sums[6] = value, first


@exact
def coefficients(sums: np.ndarray) -> tuple[float, float]:
    """a and b, inside the triangle in which the process is stationary."""
    ridge = RIDGE * (sums[0] + sums[2]) / 2
    own, other = sums[0] + ridge, sums[2] + ridge
    divisor = own * other - sums[1] * sums[1]
    if not divisor > 1e-12 * own * other:
        return 0.0, 0.0
    a = (sums[3] * other - sums[4] * sums[1]) / divisor
    b = (sums[4] * own - sums[3] * sums[1]) / divisor
    b = min(max(b, -0.95), 0.95)
    a = min(max(a, b - LARGEST), LARGEST - b)
    return a, b


@exact
def pass_over(sums: np.ndarray) -> None:
    """A missing value: the process goes on as it is expected to."""
    a, b = coefficients(sums)
    sums[5], sums[6] = a * sums[5] + b * sums[6], sums[5]
