"""The weights of errors in the loss."""

import numpy as np

from forecasting.panel import Panel
from forecasting.training.loss_weights import loss_weights

SMALL, LARGE = np.array([1.0, 2.0] * 20), np.array([1000.0, 2000.0] * 20)


def test_three_terms_weigh_a_typical_naive_error_alike() -> None:
    found = loss_weights(Panel.of([SMALL]), season=1)
    naive_error, level = 1.0, 1.5
    assert np.isclose(found.fixed[0] * naive_error, 2 / 3)
    assert np.isclose(found.relative[0] * naive_error / level, 1 / 3)


def test_a_series_of_large_values_keeps_its_weight() -> None:
    found = loss_weights(Panel.of([SMALL, LARGE]), season=1)
    naive_errors = np.array([1.0, 1000.0])
    alone = (1 / naive_errors) / 3  # what the MASE term gives
    overall = (found.fixed - alone) * naive_errors
    assert np.isclose(overall[1] / overall[0], 1000)


def test_series_without_change_or_around_zero_still_have_finite_weights() -> None:
    found = loss_weights(Panel.of([np.zeros(10), np.ones(10), SMALL]), season=1)
    assert all(np.isfinite(part).all() for part in (found.fixed, found.relative, found.floor))
    assert (found.floor > 0).all()
