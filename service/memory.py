"""How the C library keeps memory: large blocks apart, so that what a restart frees goes back to the system at once.

Left alone, glibc raises its threshold with every large block that is freed, and blocks that are read one after the
other at a start then stay in its heap for good: 4 kB for each series.
"""

import ctypes

LARGE = 4_000_000  # bytes: the blocks of a snapshot are larger, what a batch of observations needs is smaller
MMAP_THRESHOLD = -3  # glibc's number of the option


def keep_large_blocks_apart() -> None:
    """For this process; nothing where the C library has no such option."""
    try:
        ctypes.CDLL(None).mallopt(MMAP_THRESHOLD, LARGE)
    except (OSError, AttributeError):
        pass
