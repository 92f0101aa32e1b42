"""What a batch of observations needed is at hand for the next one, and nobody waits for a search for garbage."""

import gc
import subprocess
import sys

import pytest

from tests.support.service_kit import World

BATCHES = """
import resource, sys
import numpy as np
from service.base import gc_tuning
if sys.argv[1] == "arranged":
    gc_tuning.set_malloc_thresholds()
else:  # the threshold for large blocks alone
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
    done = subprocess.run([sys.executable, "-c", BATCHES, how], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's options")
def test_a_batch_is_given_the_memory_of_the_one_before() -> None:
    assert faults("arranged") < 1_000  # of 36,000 pages that ten batches of 15 MB fill
    assert faults("given back") > 30_000


def test_what_a_ready_service_holds_is_not_looked_through_for_garbage(tmp_path) -> None:
    with World.at(tmp_path).serving():
        assert gc.get_freeze_count() > 10_000
    assert gc.get_freeze_count() == 0
