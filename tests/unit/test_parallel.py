"""Work that threads share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextvars import ContextVar
from threading import Barrier, Event, Thread, get_ident

import pytest

from facedex.parallel import run_both, run_on_all

PROCESSORS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
pytestmark = pytest.mark.skipif(PROCESSORS == 1, reason="needs two processors")


def test_the_caller_and_other_threads_share_work_whose_results_are_in_order() -> None:
    threads = set()
    both = Barrier(2)

    def work(number: int) -> int:
        if number < 2:  # so that no thread does all
            both.wait(60.0)
        threads.add(get_ident())
        return number * number

    assert run_on_all(range(50), work) == [number * number for number in range(50)]
    assert get_ident() in threads
    assert len(threads) > 1


@pytest.mark.parametrize("failing", [0, 1, 30])
def test_an_error_in_shared_work_reaches_the_caller(failing: int) -> None:
    both = Barrier(2)

    def work(number: int) -> None:
        if number < 2:
            both.wait(60.0)
        if number == failing:
            raise IndexError

    with pytest.raises(IndexError):
        run_on_all(range(50), work)


def test_no_thread_works_on_after_an_error() -> None:
    caller, both, stopped = get_ident(), Barrier(2), Event()
    ended = []

    class Items(list[int]):
        def __iter__(self) -> Iterator[int]:
            yield from range(50)
            stopped.set()

    def work(number: int) -> None:
        both.wait(60.0)
        if get_ident() == caller:
            raise IndexError
        stopped.wait(5.0)
        ended.append(number)

    with pytest.raises(IndexError):
        run_on_all(Items(range(50)), work)
    assert len(ended) == 1


def test_two_functions_run_at_once_in_the_callers_context() -> None:
    request = ContextVar("request", default="")
    request.set("one")
    both = Barrier(2)

    def work() -> tuple[int, str]:
        both.wait(60.0)
        return get_ident(), request.get()

    (thread, seen), (other, also) = run_both(work, work)
    assert thread != other
    assert seen == also == "one"


def test_work_does_not_wait_until_other_threads_are_free() -> None:
    assert PROCESSORS
    occupied, released = Barrier(2 * PROCESSORS + 1), Event()

    def wait(_: int) -> None:
        occupied.wait(60.0)
        released.wait(60.0)

    others = [Thread(target=run_on_all, args=(range(2), wait)) for _ in range(PROCESSORS)]
    for other in others:
        other.start()
    try:
        occupied.wait(60.0)
        assert run_on_all(range(50), str) == [str(number) for number in range(50)]
        assert not released.is_set()
    finally:
        released.set()
        for other in others:
            other.join()
