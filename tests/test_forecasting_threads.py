"""Threads and processor kernels are chosen for a process before NumPy loads."""

import os
import subprocess
import sys

import pytest

from forecasting.threads import each


def environment_after(code: str, **given: str) -> str:
    """OPENBLAS_NUM_THREADS of a new process that ran `code`."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("OPENBLAS", "ROLLCAST"))}
    tell = f"import os; {code}; print(os.environ.get('OPENBLAS_NUM_THREADS'))"
    done = subprocess.run([sys.executable, "-c", tell], env=clean | given, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("code", "given", "expected"),
    [
        ("from forecasting.threads import prepare; prepare()", {}, "1"),
        ("from forecasting.threads import prepare; prepare()", {"ROLLCAST_BLAS": "keep"}, "None"),
        ("import numpy; from forecasting.threads import prepare; prepare()", {}, "None"),
    ],
)
def test_the_environment_is_set_unless_it_is_to_be_kept_or_too_late(code, given, expected) -> None:
    assert environment_after(code, **given) == expected


def test_blocks_are_worked_on_in_order_and_errors_come_through() -> None:
    assert each(lambda x: x * x, range(5)) == [0, 1, 4, 9, 16]
    with pytest.raises(ZeroDivisionError):
        each(lambda x: 1 // x, [1, 0])
