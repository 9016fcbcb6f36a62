"""Worker processes beside the server: as many as there is work for, up to a limit.

Processes, not threads: decoding and tracking hold Python's lock so long that two threads do 1.6
times the work of one, and two processes do twice the work. They start with the first work, at a
lower priority than requests.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from facedex.api.catalog import OTHER_FUNCTIONS
from facedex.aws.clients import bounded
from facedex.runtime import handlers
from facedex_local import terminal
from facedex_local.access import process_token
from facedex_local.background import running
from facedex_local.backoff import FIRST_WAIT, next_wait
from facedex_local.workers.queues import WorkQueue

if TYPE_CHECKING:
    from facedex.store.database import Connection

_INTERVAL: Final = 0.5  # seconds between checks for work, and for workers that died
_PATIENCE: Final = 5.0  # seconds that workers have to end, or a service to come back
# The longest time in seconds until workers that died are replaced: waiting streams lose media.
_LONGEST_WAIT: Final = 5.0
# Each worker gets a quarter of a server process's memory for galleries: there may be many workers.
_MEMORY: Final = "FACEDEX_GALLERY_MEMORY"
_SHARE: Final = 4

_logger: Final = logging.getLogger("facedex")


@dataclass(frozen=True, slots=True)
class Workforce:
    """Processes that process the messages of one queue.

    Attributes:
        function: the function that each calls with the queue's messages, one at a time.
        queue: the queue.
        nice: lowers the priority of the processes, as the command of that name does.
        wanted: returns how many processes are useful now; surplus ones keep waiting for work.
        resend: sends the messages of an earlier run again; called before the first process starts.
        release: releases the leases of dead workers; without it, the leases expire.
    """

    function: str
    queue: WorkQueue
    nice: int
    wanted: Callable[[Connection], int]
    resend: Callable[[Connection], None]
    release: Callable[[Connection, Sequence[UUID]], None] | None = None

    @contextmanager
    def working(self) -> Iterator[None]:
        """Start processes as needed, while the block runs."""
        pool = _Pool(self)
        try:
            with running(self.function, partial(self._supervise, pool)):
                yield
        finally:
            pool.stop()

    def _supervise(self, pool: _Pool, ended: threading.Event) -> None:
        from facedex.runtime import services
        from facedex.store.store_errors import DatabaseUnavailable

        made = resent = False
        while not ended.wait(_INTERVAL):
            try:
                if not made:
                    self.queue.make()
                    made = True
                dead = pool.find_dead()
                with services.database().transaction() as connection:
                    if dead and self.release:
                        self.release(connection, dead)
                    wanted = self.wanted(connection)
                    if wanted and not resent:
                        self.resend(connection)
                        resent = True
                pool.remove(dead)
                pool.start_missing(wanted)
            # OSError: the machine has no memory or no file descriptor for a further process.
            except (DatabaseUnavailable, BotoCoreError, ClientError, OSError) as error:
                _logger.warning("Work for %s is suspended: %s", self.function, error)
                ended.wait(_PATIENCE)
            except Exception:
                # Without the next attempt, no worker would ever be started again.
                _logger.exception("Work for %s is suspended.", self.function)
                ended.wait(_PATIENCE)


@dataclass(frozen=True, slots=True)
class _Worker:
    """A process and the time of its start."""

    process: subprocess.Popen[bytes]
    started: float


class _Pool:
    """The processes of a workforce."""

    def __init__(self, workforce: Workforce) -> None:
        self._workforce = workforce
        self._running: dict[UUID, _Worker] = {}
        self._wait = FIRST_WAIT
        self._next_start = 0.0
        self._lock = threading.Lock()
        self._stopped = False

    def find_dead(self) -> list[UUID]:
        """Return the processes that have ended by themselves and were not removed yet."""
        return [worker for worker, each in self._running.items() if each.process.poll() is not None]

    def remove(self, dead: Sequence[UUID]) -> None:
        """Remove processes that have ended, to make room for others a little later."""
        for worker in dead:
            each = self._running.pop(worker)
            if each.process.stdin:
                each.process.stdin.close()
            now = time.monotonic()
            self._wait = next_wait(self._wait, age=now - each.started, longest=_LONGEST_WAIT)
            self._next_start = now + self._wait
            _logger.warning(
                "A worker of %s ended with status %d; it is being replaced.",
                self._workforce.function,
                each.process.returncode,
            )

    def start_missing(self, count: int) -> None:
        """Start processes until there are ``count``, unless others have just died.

        Raises:
            OSError: if a process cannot be started.
        """
        if time.monotonic() < self._next_start:
            return
        with self._lock:
            while len(self._running) < count and not self._stopped:
                worker = uuid4()
                self._running[worker] = _Worker(self._start(worker), time.monotonic())

    def _start(self, worker: UUID) -> subprocess.Popen[bytes]:
        work = self._workforce
        command = [
            sys.executable,
            "-m",
            "facedex_local.workers.__main__",
            work.function,
            str(work.nice),
        ]
        own = {
            "FACEDEX_THREADS": "1",
            # One more than for the work and its heartbeat, to read a gallery into memory.
            "FACEDEX_CONNECTIONS": "3",
            "FACEDEX_GALLERY_MEMORY": str(int(os.environ.get(_MEMORY) or 0) // _SHARE),
            "FACEDEX_WORKER": str(worker),
        }
        return subprocess.Popen(
            [*command, os.environ[work.queue.setting]],
            # The worker ends when this closes, which happens however this process ends.
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            # Ctrl-C in the terminal reaches this process only.
            start_new_session=True,
            env=os.environ | own,
        )

    def stop(self) -> None:
        """End the processes; others do their unfinished work later."""
        with self._lock:
            # A supervisor that waits for the database must start no more.
            self._stopped = True
            running = [each.process for each in self._running.values()]
        for each in running:
            if each.stdin:
                each.stdin.close()
        end = time.monotonic() + _PATIENCE
        for each in running:
            try:
                each.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                each.kill()
                with suppress(subprocess.TimeoutExpired):
                    each.wait(1.0)  # a process that waits for a disk ends later


def work(function: str, nice: int, queue: str) -> None:
    """Process messages until ``lifeline`` ends this process.

    Nothing is lost then: the lease on unfinished work expires, and another worker claims it.
    """
    from facedex_local.metrics import recorder
    from facedex_local.workers.event_source import EventSource

    process_token.install()
    terminal.escape_output()
    os.nice(nice)
    recorder.start_worker()
    row = OTHER_FUNCTIONS[function]
    # With boto3's own timeouts, one request to a queue that hangs could take five minutes.
    client: Any = boto3.client("sqs", config=bounded())
    EventSource(
        queue,
        handlers.load(row.function),
        function=function,
        batch_size=1,
        workers=1,
        timeout=row.timeout,
        memory=row.memory,
        client=client,
    ).start()
    threading.Event().wait()
