"""How memory is kept: large blocks apart, small ones at hand, and what stays is not looked through for garbage.

Left alone, glibc raises its threshold with every large block that is freed, and blocks that are read one after the
other at a start then stay in its heap for good: 4 kB for each series. With a threshold of ours it would give the end of
its heap back after every batch of observations, and be given the same pages again, zeroed, for the next.

Python's collector looks through all modules, routes and series again and again, and nobody is answered meanwhile: a
tenth of a second every two under load. What there is once the service is ready stays, or goes without the collector:
so do champions, which hold the memory. Of what comes later hardly anything needs it, so that it may look less often.
"""

import ctypes
import gc

MMAP_BYTES = 4_000_000  # bytes: the blocks of a snapshot are larger, what a batch of observations needs is smaller
TRIM_BYTES = 32_000_000  # bytes at the end of a heap that are kept: a batch's
RARE_COLLECTIONS, DEFAULT_COLLECTIONS = (
    (50_000, 20, 100),
    gc.get_threshold(),
)  # new objects, and rounds of the younger generation
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # glibc's numbers of the options


def set_malloc_thresholds() -> None:
    """For this process; nothing where the C library has no such options."""
    try:
        option = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    option(M_MMAP_THRESHOLD, MMAP_BYTES)
    option(M_TRIM_THRESHOLD, TRIM_BYTES)


def freeze() -> None:
    """Look no more through what there is now. Garbage of a start is young: a search through all of it, a tenth of a
    second, finds no more."""
    gc.collect(1)
    gc.freeze()
    gc.set_threshold(*RARE_COLLECTIONS)


def thaw() -> None:
    """Look through everything again."""
    gc.unfreeze()
    gc.set_threshold(*DEFAULT_COLLECTIONS)
