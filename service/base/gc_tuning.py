"""Memory settings of this process: thresholds of glibc's malloc, and fewer rounds of Python's garbage collector.

malloc: by default glibc raises its mmap threshold whenever a large block is freed. Blocks that are read one after the
other at a start then stay in its heap for ever: 4 kB for each series. A fixed mmap threshold prevents that. But it also
fixes the trim threshold: glibc would return the end of its heap to the system after every batch of observations and
get the same pages again, zeroed, for the next batch. So the trim threshold is raised as well.

Garbage collector: by default it goes through all modules, routes and series again and again, and no request is
answered meanwhile: for a tenth of a second every two seconds under load. Objects that exist once the service is ready
stay, or are freed by reference counting, as are champions, which hold the most memory. Of later objects hardly any
needs the collector, so it runs less often.
"""

import ctypes
import gc

MMAP_BYTES = 4_000_000  # blocks of a snapshot are larger, those of a batch of observations smaller
TRIM_BYTES = 32_000_000  # kept at the end of the heap: enough for a batch
RARE_COLLECTIONS = (50_000, 20, 100)  # new objects, then rounds of the younger generation
DEFAULT_COLLECTIONS = gc.get_threshold()
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # option numbers of glibc's mallopt


def set_malloc_thresholds() -> None:
    """For this process; does nothing where the C library has no mallopt."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(M_MMAP_THRESHOLD, MMAP_BYTES)
    mallopt(M_TRIM_THRESHOLD, TRIM_BYTES)


def freeze() -> None:
    """Exclude all present objects from garbage collection, and collect rarely from now on.

    Garbage of a start is young: collecting all generations first takes a tenth of a second and finds no more.
    """
    gc.collect(1)
    gc.freeze()
    gc.set_threshold(*RARE_COLLECTIONS)


def thaw() -> None:
    """Collect as by default again."""
    gc.unfreeze()
    gc.set_threshold(*DEFAULT_COLLECTIONS)
