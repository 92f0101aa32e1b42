"""A processor with AVX2 alone finds the bits of one with more."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLD = """
import hashlib
import numpy as np
from forecasting.kinds import model_of
from forecasting.universal.shipped import shipped_bundle
from tests.forecasting.universal.test_universal_rolling import folded, noisy

roller, found = model_of(shipped_bundle("1h", 6, 24)), hashlib.sha256()
state = folded(roller, noisy(3, 400))
for array in (*state.arrays.values(), roller.forecast(state, np.arange(3), 48)):
    found.update(array.tobytes())
print(found.hexdigest())
"""


def bits(root: Path, cache: Path, **processor: str) -> str:
    """A hash of states and forecasts, folded by machine code for a processor."""
    environment = {**os.environ, "PYTHONPATH": str(root), "NUMBA_CACHE_DIR": str(cache), **processor}
    done = subprocess.run([sys.executable, "-c", FOLD], env=environment, capture_output=True, text=True, timeout=1_800)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_states_and_forecasts_have_the_same_bits_with_avx2_alone(root: Path, tmp_path: Path) -> None:
    plain = bits(root, tmp_path / "haswell", NUMBA_CPU_NAME="haswell", NUMBA_CPU_FEATURES="")
    assert plain == bits(root, tmp_path / "own")
