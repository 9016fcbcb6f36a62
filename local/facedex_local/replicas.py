"""More processes that answer requests on the server's port, each with an interpreter of its own.

They share the first one's listening socket: whichever is free accepts the next connection. What is
in the memory of the first, S3 and the other services of moto, they ask of it.
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
from facedex_local.errors import StartFailed
from facedex_local.replica import READY, STOP, Orders

_LOOK: Final = 0.5  # seconds between looks for processes that have died
_PATIENCE: Final = 12.0  # seconds that they have to end; requests under way have five of them
# Seconds until one that has died is started again; doubled each time it dies young.
_FIRST_WAIT: Final = 0.5
_LONGEST_WAIT: Final = 30.0
_YOUNG: Final = 30.0  # seconds
_CONNECTIONS: Final = 40  # of the embedded Postgres, for requests; the workers have others

_logger: Final = logging.getLogger("facedex")


@dataclass(slots=True)
class _Replica:
    """One process and when it is started again, should it die."""

    process: subprocess.Popen[bytes]
    started: float
    wait: float = _FIRST_WAIT


class Replicas:
    """The processes beside the first.

    Args:
        count: how many.
        orders: what each is started with.
    """

    def __init__(self, count: int, orders: Orders) -> None:
        self._count = count
        self._orders = orders
        self._ended = threading.Event()
        self._replicas: list[_Replica] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """Have them answer while the block runs, and start again those that die.

        Raises:
            StartFailed: one has not started.
        """
        keeper = threading.Thread(target=self._restart_dead, name="replicas", daemon=True)
        try:
            for _ in range(self._count):
                self._replicas.append(_Replica(self._start(), time.monotonic()))
            for each in self._replicas:
                _await_ready(each.process)
            keeper.start()
            yield
        finally:
            self.stop_accepting()
            shutdown.join(keeper)
            _end([each.process for each in self._replicas])

    def stop_accepting(self) -> None:
        """Say to all that they are to stop, and do not wait for it."""
        self._ended.set()
        for each in self._replicas:
            _say_stop(each.process)

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "facedex_local.replica"],
            # It ends when this closes, which it does however this process ends.
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Ctrl-C in the terminal is for this process alone.
            start_new_session=True,
            pass_fds=(self._orders.file,),
        )
        assert process.stdin
        with suppress(OSError):  # it has died already, which its status will say
            process.stdin.write(self._orders.write())
            process.stdin.flush()
        return process

    def _restart_dead(self) -> None:
        while not self._ended.wait(_LOOK):
            for each in self._replicas:
                age = time.monotonic() - each.started
                status = each.process.poll()
                if status is None or age < each.wait:
                    continue
                _logger.warning(
                    "A process of the server has ended with status %d; it is started again.",
                    status,
                )
                _close_pipes(each.process)
                each.wait = min(2 * each.wait, _LONGEST_WAIT) if age < _YOUNG else _FIRST_WAIT
                each.started = time.monotonic()
                try:
                    each.process = self._start()
                except OSError as error:
                    _logger.warning("A process of the server cannot be started: %s", error)


def _await_ready(process: subprocess.Popen[bytes]) -> None:
    assert process.stdout
    if process.stdout.readline() != READY:
        raise StartFailed("A process of the server did not start; its error is above.")


def _say_stop(process: subprocess.Popen[bytes]) -> None:
    if process.stdin and not process.stdin.closed:
        with suppress(OSError):
            process.stdin.write(STOP)
            process.stdin.flush()


def _end(processes: list[subprocess.Popen[bytes]]) -> None:
    """Wait for processes that have been asked to stop, and kill those that do not."""
    end = time.monotonic() + _PATIENCE
    for process in processes:
        _say_stop(process)  # it may have been started since the others were asked
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
    """Divide threads and database connections among processes, where the user has not chosen."""
    cores = os.cpu_count() or 1
    os.environ.setdefault("FACEDEX_THREADS", str(max(1, min(2, cores // processes))))
    os.environ.setdefault("FACEDEX_CONNECTIONS", str(max(2, min(8, _CONNECTIONS // processes))))
