"""Worker processes of the server: as many as there is work for, up to a limit.

They are processes because tracking faces and preparing frames hold Python's global interpreter lock
for much of the time: two threads do 1.6 times the work of one, two processes twice. The processes
start when there is work, and run at a lower priority than requests.
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
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from facedex.api.catalog import WORKERS
from facedex.runtime import handlers
from facedex_local import shutdown
from facedex_local.workers.queues import WorkQueue

if TYPE_CHECKING:
    from facedex.store.database import Connection

_POLL: Final = 0.5  # seconds between checks for work and for dead workers
_PATIENCE: Final = 5.0  # seconds for workers to exit

_logger: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Workforce:
    """The worker processes of one queue.

    Attributes:
        function: the function that each process calls with the queue's messages, one at a time.
        queue: the queue.
        nice: increment of the processes' nice value, which lowers their priority.
        wanted: returns the number of workers that are needed now; surplus ones stay idle.
        remind: schedules the messages of an earlier run again; called before the first worker
            starts.
        free: releases the leases of dead workers; without it, the leases expire.
    """

    function: str
    queue: WorkQueue
    nice: int
    wanted: Callable[[Connection], int]
    remind: Callable[[Connection], None]
    free: Callable[[Connection, Sequence[UUID]], None] | None = None

    @contextmanager
    def working(self) -> Iterator[None]:
        """Run workers while the block runs."""
        ended = threading.Event()
        pool = _Pool(self)
        supervisor = threading.Thread(
            target=self._supervise, args=(pool, ended), name=self.function, daemon=True
        )
        supervisor.start()
        try:
            yield
        finally:
            ended.set()
            shutdown.join(supervisor)
            pool.stop()

    def _supervise(self, pool: _Pool, ended: threading.Event) -> None:
        from facedex.runtime import services
        from facedex.store.errors import DatabaseUnavailable

        created = reminded = False
        while not ended.wait(_POLL):
            try:
                if not created:
                    self.queue.make()
                    created = True
                dead = pool.dead()
                with services.database().transaction() as connection:
                    if dead and self.free:
                        self.free(connection, dead)
                    wanted = self.wanted(connection)
                    if wanted and not reminded:
                        self.remind(connection)
                        reminded = True
            except (DatabaseUnavailable, BotoCoreError, ClientError) as error:
                _logger.warning("Work for %s waits: %s", self.function, error)
                ended.wait(_PATIENCE)
                continue
            pool.forget(dead)
            pool.keep(wanted)


class _Pool:
    """The processes of a workforce."""

    def __init__(self, workforce: Workforce) -> None:
        self._workforce = workforce
        self._running: dict[UUID, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()
        self._stopped = False

    def dead(self) -> list[UUID]:
        """Return the workers that have exited, until ``forget`` removes them."""
        return [worker for worker, each in self._running.items() if each.poll() is not None]

    def forget(self, dead: Sequence[UUID]) -> None:
        """Remove dead workers, so that others can replace them."""
        for worker in dead:
            del self._running[worker]

    def keep(self, count: int) -> None:
        """Start workers until there are `count`."""
        with self._lock:
            while len(self._running) < count and not self._stopped:
                worker = uuid4()
                self._running[worker] = self._start(worker)

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
            "FACEDEX_CONNECTIONS": "2",
            "FACEDEX_WORKER": str(worker),
        }
        return subprocess.Popen(
            [*command, os.environ[work.queue.setting]],
            # The worker exits when this closes, which also happens if this process is killed.
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            # Ctrl-C in the terminal must interrupt this process only.
            start_new_session=True,
            env=os.environ | own,
        )

    def stop(self) -> None:
        """Stop all workers; other workers will resume their tasks."""
        with self._lock:
            # A supervisor that is still waiting for the database must not start more workers.
            self._stopped = True
            running = list(self._running.values())
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
                    each.wait(1.0)  # a process that waits for a disk exits later


def work(function: str, nice: int, queue: str) -> None:
    """Process a queue until standard input closes, which happens when the parent process exits.

    Args:
        function: the function to call.
        nice: increment of the nice value.
        queue: URL of the queue.
    """
    from facedex_local.workers.event_source import EventSource

    os.nice(nice)
    row = WORKERS[function]
    client: Any = boto3.client("sqs")
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
    sys.stdin.buffer.read()
    # Nothing is lost: the lease of the current task expires, and another worker resumes the task.
    os._exit(0)
