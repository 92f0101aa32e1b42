"""Threads and processor kernels of the matrix products: chosen once, before NumPy is loaded.

BLAS runs single-threaded: a product of a few rows costs more to distribute than to compute, and single-threaded its
bits depend only on its rows. Large batches are split into blocks of rows instead, one thread for each block (`each`).
torch's threads sleep while they wait for each other: its default, to spin, costs ten times the processor time of the
work itself as soon as another process needs a core.
"""

import os
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def prepare() -> None:
    """Choose BLAS threads and kernels for this process; `ROLLCAST_BLAS=keep` leaves the environment alone.

    With the AVX-512 kernels a row's product has the same bits in every batch of two or more rows, so that a replayed
    state equals the rolled one bit for bit, and two rows take a fifth of the time. With the AVX2 kernels, which
    OpenBLAS also chooses for processors newer than itself, neither is true. So the AVX-512 kernels are set wherever the
    processor has the instructions.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when torch is loaded
    if "numpy" in sys.modules or os.environ.get("ROLLCAST_BLAS") == "keep":
        return  # BLAS reads the environment when NumPy is loaded
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    if {"avx512f", "avx512dq", "avx512bw", "avx512vl"} <= _processor_flags():
        os.environ["OPENBLAS_CORETYPE"] = "SkylakeX"


def _processor_flags() -> set[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    return set(next((line for line in lines if line.startswith("flags")), "").split())


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(cores(), thread_name_prefix="rollcast-block")


def cores() -> int:
    """Number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def each(work: Callable[[T], R], blocks: Iterable[T]) -> list[R]:
    """The results of `work` for each block, in order. This thread, and one more for every other core, repeatedly take
    the next block. The first exception is raised again; no block is started after it."""
    listed = list(blocks)
    results: dict[int, R] = {}
    left = iter(range(len(listed)))

    def take() -> None:
        try:
            for i in left:
                results[i] = work(listed[i])
        finally:
            for _ in left:  # empties the iterator, so that after a failure no block is started
                pass

    helpers = [_pool().submit(take) for _ in range(min(cores(), len(listed)) - 1)]
    try:
        take()
    finally:
        failures = [helper.exception() for helper in helpers if not helper.cancel()]
    for failure in filter(None, failures):
        raise failure
    return [results[i] for i in range(len(listed))]
