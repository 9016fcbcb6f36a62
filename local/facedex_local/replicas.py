"""Additional processes that answer requests on the server's port, each with its own interpreter.

They share the first process's listening socket: the least busy process accepts the next
connection. S3 and moto's other services are in the memory of the first process; the others forward
requests for them.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from facedex_local import shutdown
from facedex_local.backoff import FIRST_WAIT, next_wait
from facedex_local.replica import READY, STOP, Orders
from facedex_local.start_errors import StartFailed

_POLL_INTERVAL: Final = 0.5  # seconds between checks for processes that have died
_PATIENCE: Final = 12.0  # seconds in which processes must end; running requests have five of them
# The longest time in seconds between the start of a process that has died and its restart.
_LONGEST_WAIT: Final = 30.0
_CONNECTIONS: Final = 40  # to the embedded Postgres for requests; workers have further ones

_logger: Final = logging.getLogger("facedex")


@dataclass(slots=True)
class _Replica:
    """A process, the time of its start and the delay before a restart, in seconds."""

    process: subprocess.Popen[bytes]
    started: float
    wait: float = FIRST_WAIT


class Replicas:
    """The additional server processes.

    Args:
        count: the number of additional processes.
        orders: the configuration of each process.
    """

    def __init__(self, count: int, orders: Orders) -> None:
        self._count = count
        self._orders = orders
        self._ended = threading.Event()
        self._replicas: list[_Replica] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the processes while the block runs, and restart those that die.

        Raises:
            StartFailed: if a process does not start.
        """
        supervisor = threading.Thread(target=self._restart_dead, name="replicas", daemon=True)
        try:
            for _ in range(self._count):
                self._replicas.append(_Replica(self._start(), time.monotonic()))
            for each in self._replicas:
                _await_ready(each.process)
            supervisor.start()
            yield
        finally:
            self.stop_accepting()
            shutdown.join(supervisor)
            _wait_for_end([each.process for each in self._replicas])

    def stop_accepting(self) -> None:
        """Ask all processes to stop, without waiting for them."""
        self._ended.set()
        for each in self._replicas:
            _send_stop(each.process)

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "facedex_local.replica"],
            # The new process ends when this pipe closes. The pipe closes when this process ends,
            # even if it is killed.
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Only this process receives Ctrl-C of the terminal.
            start_new_session=True,
            pass_fds=(self._orders.file,),
        )
        assert process.stdin
        with suppress(OSError):  # the process has already died; its exit status is logged later
            process.stdin.write(self._orders.write())
            process.stdin.flush()
        return process

    def _restart_dead(self) -> None:
        while not self._ended.wait(_POLL_INTERVAL):
            for each in self._replicas:
                age = time.monotonic() - each.started
                status = each.process.poll()
                if status is None or age < each.wait:
                    continue
                _logger.warning(
                    "A server process ended with status %d; it is being restarted.",
                    status,
                )
                _close_pipes(each.process)
                each.wait = next_wait(each.wait, age=age, longest=_LONGEST_WAIT)
                each.started = time.monotonic()
                try:
                    each.process = self._start()
                except OSError as error:
                    _logger.warning("A server process could not be restarted: %s", error)


def _await_ready(process: subprocess.Popen[bytes]) -> None:
    assert process.stdout
    if process.stdout.readline() != READY:
        raise StartFailed("A server process did not start; its error is logged above.")


def _send_stop(process: subprocess.Popen[bytes]) -> None:
    if process.stdin and not process.stdin.closed:
        with suppress(OSError):
            process.stdin.write(STOP)
            process.stdin.flush()


def _wait_for_end(processes: list[subprocess.Popen[bytes]]) -> None:
    """Wait until the processes have ended, and kill those that do not end in time."""
    end = time.monotonic() + _PATIENCE
    for process in processes:
        _send_stop(process)  # again, because this process may have started after the first request
    for process in processes:
        try:
            process.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            with suppress(subprocess.TimeoutExpired):
                process.wait(1.0)
        _close_pipes(process)


def _close_pipes(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe:
            with suppress(OSError):
                pipe.close()


def share_machine(processes: int) -> None:
    """Divide inference threads and database connections among processes.

    Settings that the user has chosen are not changed.
    """
    cores = os.cpu_count() or 1
    os.environ.setdefault("FACEDEX_THREADS", str(max(1, min(2, cores // processes))))
    os.environ.setdefault("FACEDEX_CONNECTIONS", str(max(2, min(8, _CONNECTIONS // processes))))
