"""Threads and processor kernels are chosen for a process before NumPy loads."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest

from forecasting.kernel import determinism
from forecasting.kernel.threads import cores, each


def environment_after(code: str, **given: str) -> str:
    """OPENBLAS_NUM_THREADS of a new process that ran `code`."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("OPENBLAS", "ROLLCAST"))}
    code = f"import os; {code}; print(os.environ.get('OPENBLAS_NUM_THREADS'))"
    done = subprocess.run([sys.executable, "-c", code], env=clean | given, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("code", "given", "expected"),
    [
        ("from forecasting.kernel.threads import prepare; prepare()", {}, "1"),
        ("from forecasting.kernel.threads import prepare; prepare()", {"ROLLCAST_BLAS": "keep"}, "None"),
        ("import numpy; from forecasting.kernel.threads import prepare; prepare()", {}, "None"),
    ],
)
def test_the_environment_is_set_unless_it_is_kept_or_numpy_is_loaded(code, given, expected) -> None:
    assert environment_after(code, **given) == expected


def test_results_are_in_the_order_of_the_blocks_and_errors_are_raised() -> None:
    assert each(lambda x: x * x, range(5)) == [0, 1, 4, 9, 16]
    with pytest.raises(ZeroDivisionError):
        each(lambda x: 1 // x, [1, 0])


def test_after_a_failed_block_no_other_is_started() -> None:
    begun = []

    def work(block: int) -> None:
        begun.append(block)
        time.sleep(0.01)
        if block == 1:
            raise ValueError("the second block")

    with pytest.raises(ValueError, match="the second block"):
        each(work, range(100))
    assert len(begun) < 2 + 2 * cores()


@pytest.mark.parametrize("products", ["exact", "shared"])
def test_rows_are_independent_only_if_their_products_do_not_depend_on_the_batch(products, monkeypatch) -> None:
    def matmul(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
        y = np.stack([(row[:, None] * weight).sum(0) for row in x])
        return y if products == "exact" or len(x) < 8 else y * np.float32(1 + 1e-6)  # as some kernels do

    monkeypatch.setattr(determinism, "matmul", matmul)
    assert determinism.rows_are_independent.__wrapped__() == (products == "exact")
