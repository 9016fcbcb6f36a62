from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facedex.turns import Turns


@settings(max_examples=50)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=40), st.integers(1, 20))
def test_no_more_than_the_bound_is_in_use_and_every_request_gets_its_turn(
    amounts: list[int], most: int
) -> None:
    turns = Turns(most)
    seen: list[int] = []

    def use(amount: int) -> None:
        with turns.hold(amount):
            seen.append(turns.used)
            time.sleep(0.0001)

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(use, amounts))
    assert len(seen) == len(amounts)
    assert max(seen) <= most
    assert turns.used == 0


def test_a_large_amount_is_not_overtaken_by_small_ones() -> None:
    turns = Turns(10)
    order: list[str] = []
    begun = threading.Barrier(2)

    def use(name: str, amount: int) -> None:
        if name == "first":
            with turns.hold(amount):
                begun.wait(60)
                wait_for(turns, 2)
                order.append(name)
            return
        with turns.hold(amount):
            order.append(name)

    threads = [threading.Thread(target=use, args=("first", 5))]
    threads[0].start()
    begun.wait(60)
    for number, (name, amount) in enumerate((("large", 10), ("small", 1))):
        threads.append(threading.Thread(target=use, args=(name, amount)))
        threads[-1].start()
        wait_for(turns, number + 1)
    for thread in threads:
        thread.join(60)
    assert order == ["first", "large", "small"]


def wait_for(turns: Turns, waiting: int) -> None:
    """Wait until so many threads wait for their turn."""
    deadline = time.monotonic() + 60
    while turns.waiting < waiting and time.monotonic() < deadline:
        time.sleep(0.001)
    assert turns.waiting >= waiting


def test_an_amount_above_the_bound_is_alone() -> None:
    turns = Turns(10)
    with turns.hold(1000):
        assert turns.used == 10
    assert turns.used == 0


def test_a_failure_gives_its_amount_back() -> None:
    turns = Turns(10)
    for _ in range(3):
        with pytest.raises(ValueError, match="damaged"), turns.hold(10):
            raise ValueError("damaged")
    assert turns.used == turns.waiting == 0


def test_a_turn_that_does_not_come_in_time_is_given_up_and_blocks_no_other() -> None:
    turns = Turns(10)
    with turns.hold(8):
        with pytest.raises(TimeoutError), turns.hold(5, patience=0.05):
            pass
        assert (turns.used, turns.waiting) == (8, 0)
        with turns.hold(2, patience=0.05):
            assert turns.used == 10
    assert turns.used == 0
