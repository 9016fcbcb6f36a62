"""Work that all processors share: the parts of one request that take milliseconds."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cache
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def run_on_all(items: Sequence[Item], work: Callable[[Item], Result]) -> list[Result]:
    """Return the results of a function for all items, shared among all processors.

    Only work without Python's lock, as in NumPy, FAISS and Pillow, takes less time this way. The
    calling thread works as well, instead of waiting: threads that wake up together may begin on the
    same processor, and the work is over before the system moves one of them.

    After an error, no thread begins another item, and none still works when it is raised.
    """
    found: dict[int, Result] = {}
    # Each thread takes the next item when it is ready for one: they are seldom equally fast.
    left = enumerate(items)

    def work_on_some() -> None:
        try:
            for number, item in left:
                found[number] = work(item)
        except BaseException:
            deque(left, maxlen=0)  # so that the others find nothing more to do
            raise

    helpers = [
        # In the caller's context: its trace and what its log lines say of the request.
        _pool().submit(copy_context().run, work_on_some)
        for _ in range(min(processors(), len(items)) - 1)
    ]
    try:
        work_on_some()
    finally:
        # One that waits behind the work of other requests has nothing to do any more.
        errors = [helper.exception() for helper in helpers if not helper.cancel()]
    for error in errors:
        if error is not None:
            raise error
    return [found[number] for number in range(len(items))]


def run_both(one: Callable[[], Item], other: Callable[[], Result]) -> tuple[Item, Result]:
    """Return the results of two functions, which run at the same time if a processor is free.

    Either may run in another thread than the caller's.
    """
    first: list[Item] = []
    second: list[Result] = []

    def run(number: int) -> None:
        if number:
            second.append(other())
        else:
            first.append(one())

    run_on_all(range(2), run)
    return first[0], second[0]


def processors() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(processors(), "parallel")
