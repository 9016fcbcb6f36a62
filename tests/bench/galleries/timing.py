"""Times of searches, and of what they are compared with."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.bench.galleries.people import Vectors


def times(program: Callable[[int], object], rounds: int, warm_up: int = 3) -> list[float]:
    """Return the seconds of each run, sorted."""
    taken = []
    for turn in range(-warm_up, rounds):
        begun = time.perf_counter()
        program(turn)
        if turn >= 0:
            taken.append(time.perf_counter() - begun)
    return sorted(taken)


def during(program: Callable[[int], object], seconds: float) -> list[float]:
    """Return the seconds of each run during a time, sorted."""
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while (begun := time.perf_counter()) < end:
        program(len(taken))
        taken.append(time.perf_counter() - begun)
    return sorted(taken)


def median(taken: Sequence[float]) -> float:
    """Return the median of some times."""
    return statistics.median(taken)


def p99(taken: Sequence[float]) -> float:
    """Return the 99th percentile of sorted times."""
    return taken[min(len(taken) - 1, round(0.99 * len(taken)))]


def ms(taken: Sequence[float]) -> str:
    """Return the smallest time, the median and the 99th percentile, in milliseconds."""
    return (
        f"min {1000 * taken[0]:.1f}, p50 {1000 * median(taken):.1f}, p99 {1000 * p99(taken):.1f} ms"
    )


def bandwidth() -> float:
    """Return the bytes per second that the processors of this process read together."""
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    blocks = [np.ones(32 << 20, np.uint64) for _ in range(threads or 1)]
    taken = []
    with ThreadPoolExecutor(threads) as pool:
        # Which one is the fastest depends on the processor.
        for ufunc in (np.add, np.bitwise_or, np.maximum):
            taken += _times_of_all(pool, ufunc, blocks)
    return sum(block.nbytes for block in blocks) / min(taken)


def _times_of_all(
    pool: ThreadPoolExecutor, ufunc: np.ufunc, blocks: Sequence[NDArray[np.uint64]]
) -> list[float]:
    return times(lambda _: list(pool.map(ufunc.reduce, blocks)), 5)


def faiss_flat(batches: Iterator[Vectors], probes: Sequence[Vectors], limit: int) -> list[float]:
    """Return the times of FAISS's flat search of halves, which is not exact in its order."""
    import faiss

    index: Any = None
    for vectors in batches:
        if index is None:
            index = faiss.IndexScalarQuantizer(
                vectors.shape[1], faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
            )
        index.add(vectors)
    return times(lambda turn: index.search(probes[turn][None], limit), 20)
