"""Turns: a bound on what all threads of a process use at once, in the order of their requests."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """A bound that is handed out in the order in which it is asked for.

    A thread that holds a part of it must not ask for another part: it could wait for itself. An
    amount above the bound gets all of it, so that it waits for everything else to end and cannot
    wait forever. Small amounts do not overtake a large one, which would otherwise never get its
    turn.

    Args:
        most: the bound.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._used = 0
        self._queue: deque[object] = deque()
        self._changed = threading.Condition()

    @property
    def used(self) -> int:
        """The amount in use now."""
        return self._used

    @property
    def waiting(self) -> int:
        """The number of threads that wait for their turn."""
        return len(self._queue)

    @contextmanager
    def hold(self, amount: int, patience: float | None = None) -> Iterator[None]:
        """Wait for the turn, and use an amount while the block runs.

        Args:
            amount: the amount.
            patience: seconds to wait at most; without a limit if None.

        Raises:
            TimeoutError: if the turn did not come in time.
        """
        amount = min(amount, self.most)
        self._wait(amount, patience)
        try:
            yield
        finally:
            with self._changed:
                self._used -= amount
                self._changed.notify_all()

    def _wait(self, amount: int, patience: float | None) -> None:
        turn = object()
        with self._changed:
            self._queue.append(turn)
            try:
                came = self._changed.wait_for(
                    lambda: self._queue[0] is turn and self._used + amount <= self.most, patience
                )
                if not came:
                    raise TimeoutError
                self._used += amount
            finally:
                self._queue.remove(turn)
                self._changed.notify_all()
