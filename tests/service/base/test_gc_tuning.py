"""Memory of one batch of observations is reused for the next, and the garbage collector skips long-lived objects."""

import gc
import subprocess
import sys

import pytest

from tests.support.service_kit import World

BATCHES = """
import resource, sys
import numpy as np
from service.base import gc_tuning
if sys.argv[1] == "both thresholds":
    gc_tuning.set_malloc_thresholds()
else:  # only the threshold for large blocks
    gc_tuning.TRIM_BYTES = 128 * 1024
    gc_tuning.set_malloc_thresholds()
def batch():
    kept = [np.ones(3_000_000, np.uint8) for _ in range(5)]
batch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    batch()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    """Page faults of ten batches."""
    done = subprocess.run([sys.executable, "-c", BATCHES, how], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's options")
def test_a_batch_reuses_the_memory_of_the_previous_one() -> None:
    assert faults("both thresholds") < 1_000  # of 36,000 pages that ten batches of 15 MB fill
    assert faults("mmap threshold only") > 30_000


def test_objects_of_a_ready_service_are_excluded_from_garbage_collection(tmp_path) -> None:
    with World.at(tmp_path).serving():
        assert gc.get_freeze_count() > 10_000
    assert gc.get_freeze_count() == 0
