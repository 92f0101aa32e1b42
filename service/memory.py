"""How the C library keeps memory: large blocks apart, small ones at hand.

Left alone, glibc raises its threshold with every large block that is freed, and blocks that are read one after the
other at a start then stay in its heap for good: 4 kB for each series. With a threshold of ours it would give the end of
its heap back after every batch of observations, and be given the same pages again, zeroed, for the next.
"""

import ctypes

LARGE = 4_000_000  # bytes: the blocks of a snapshot are larger, what a batch of observations needs is smaller
AT_HAND = 32_000_000  # bytes at the end of a heap that are kept: a batch's
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # glibc's numbers of the options


def arrange() -> None:
    """For this process; nothing where the C library has no such options."""
    try:
        option = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    option(MMAP_THRESHOLD, LARGE)
    option(TRIM_THRESHOLD, AT_HAND)
