"""The threads of an HTTP server: cheroot's pool, made to lend and take back, for months."""

from __future__ import annotations

from typing import Any, Final

from cheroot.workers import threadpool

# cheroot's own word to a thread that it is to end.
_END: Final[Any] = vars(threadpool)["_SHUTDOWNREQUEST"]


class Threads(threadpool.ThreadPool):
    """A pool that has, after as many have been taken back as were lent, its old size.

    cheroot's waits for ever for a new thread that is the one to take up an earlier word to end,
    and speaks that word too seldom where one comes soon after another.
    """

    # What cheroot's stubs leave out.
    _threads: list[Any]
    _queue: Any

    def grow(self, amount: int) -> None:
        """Lend so many threads more."""
        pool: Any = self
        self._threads.extend(pool._spawn_worker() for _ in range(amount))

    def shrink(self, amount: int) -> None:
        """Have so many threads end, whichever are free first."""
        pool: Any = self
        pool._clear_dead_threads()
        for _ in range(amount):
            self._queue.put(_END)
