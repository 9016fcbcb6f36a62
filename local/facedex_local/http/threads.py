"""The threads of an HTTP server: cheroot's pool, made to lend and take back, for months."""

from __future__ import annotations

import queue
import time
from contextlib import suppress
from socket import SHUT_RDWR
from typing import Any, Final

from cheroot.workers import threadpool

from facedex_local import shutdown

# cheroot's own word to a thread that it is to end.
_END: Final[Any] = vars(threadpool)["_SHUTDOWNREQUEST"]
_CUT: Final = 2.0  # seconds that threads have to end once their connections are cut off


class Threads(threadpool.ThreadPool):
    """A pool that has, after as many have been taken back as were lent, its old size.

    cheroot's waits for ever for a new thread that is the one to take up an earlier word to end,
    and speaks that word too seldom where one comes soon after another. When it stops, it waits
    without limit for a thread that is busy: it cuts off its client once, in one direction, while
    the thread may be writing, calculating, or about to take the next silent client.
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

    def stop(self, timeout: float | None = 5) -> None:
        """End every thread, and abandon those that no cut connection ends.

        Args:
            timeout: seconds in which requests may be answered; then connections are cut off.
        """
        pool: Any = self
        threads = list(pool._clear_threads())
        for _ in threads:
            self._queue.put(_END)
        end = time.monotonic() + (timeout or 0.0)
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))
        end = time.monotonic() + _CUT
        # Repeated, as a thread may have had no connection, or another one, a moment ago.
        while (busy := [each for each in threads if each.is_alive()]) and time.monotonic() < end:
            self._drop_waiting(len(busy))
            for thread in busy:
                if (connection := thread.conn) is not None:
                    with suppress(OSError):
                        connection.socket.shutdown(SHUT_RDWR)
            busy[0].join(0.05)
        shutdown.join(*threads, seconds=0)

    def _drop_waiting(self, threads: int) -> None:
        """Close the connections that no thread has taken up, and have the threads end."""
        with suppress(queue.Empty):
            while True:
                waiting = self._queue.get_nowait()
                if waiting is not _END:
                    with suppress(OSError):
                        waiting.close()
        for _ in range(threads):
            self._queue.put(_END)

    def _spawn_worker(self) -> Any:
        make: Any = threadpool.WorkerThread
        worker = make(self.server)
        worker.name = f"{self.server.server_name}-{worker.name}"
        # One that hangs does not keep the process from ending.
        worker.daemon = True
        worker.start()
        return worker
