"""Compiled loops do to each row what NumPy would, and nothing to the rows beside it."""

from typing import Any

import numba
import numpy as np
import pytest

from forecasting import compiled


@compiled.compiled
def each_tanh(x: np.ndarray, y: np.ndarray) -> None:
    for k in range(len(x)):
        y[k] = compiled.tanh(x[k])


def tanh(x: np.ndarray) -> np.ndarray:
    y = np.empty_like(x)
    each_tanh(x, y)
    return y


def test_tanh_is_off_by_float32s_rounding_alone() -> None:
    x = np.linspace(-12, 12, 1_000_001).astype(np.float32)
    assert np.abs(tanh(x) - np.tanh(x.astype(np.float64))).max() < 4e-7
    np.testing.assert_array_equal(tanh(-x), -tanh(x))


def test_tanh_of_what_is_not_finite() -> None:
    found = tanh(np.array([np.inf, -np.inf, np.nan, 0, 1e30], np.float32))
    np.testing.assert_allclose(found, np.array([1, -1, np.nan, 0, 1]), atol=4e-7)


def test_silu_adds_the_bias_first() -> None:
    x, bias = np.array([[[-90.0, -1.0, 0.0, 3.0]]], np.float32), np.array([[[0.0, 0.5, 1.0, 0.0]]], np.float32)
    compiled.silu(x, bias)
    y = np.array([-90.0, -0.5, 1.0, 3.0])
    np.testing.assert_allclose(x[0, 0], y / (1 + np.exp(-y)), atol=2e-5)


def test_where_nothing_can_be_kept_it_is_compiled_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    def jit(cache: bool = False) -> Any:
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return numba.njit()

    monkeypatch.setattr(compiled, "_jit", jit)
    assert compiled.compiled(lambda x: x + 1)(2) == 3
