"""Threads and processor kernels of the matrix products: set once, before NumPy is loaded.

BLAS runs single-threaded: a product of a few rows costs more to hand out than to compute, and its bits then depend on
nothing but its rows. Large batches are split into blocks of rows instead, one thread each (`each`).
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

    With the AVX-512 kernels a row's product has the same bits in every batch of two or more rows, which is what lets a
    replayed state equal the rolled one bit for bit, and two rows take a fifth of the time. With the AVX2 kernels, which
    OpenBLAS also takes for processors newer than itself, neither holds. So where the processor can, we ask for them.
    """
    if "numpy" in sys.modules or os.environ.get("ROLLCAST_BLAS") == "keep":
        return  # once NumPy is loaded, BLAS has read its environment
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
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def each(work: Callable[[T], R], blocks: Iterable[T]) -> list[R]:
    """The results of `work` for each block, in order. This thread, and one more for every other core, takes the next
    block that is left."""
    listed = list(blocks)
    results: dict[int, R] = {}
    left = iter(range(len(listed)))

    def take() -> None:
        try:
            for i in left:
                results[i] = work(listed[i])
        finally:
            for _ in left:  # where one failed, nobody begins another
                pass

    helpers = [_pool().submit(take) for _ in range(min(cores(), len(listed)) - 1)]
    try:
        take()
    finally:
        failures = [helper.exception() for helper in helpers if not helper.cancel()]
    for failure in filter(None, failures):
        raise failure
    return [results[i] for i in range(len(listed))]
