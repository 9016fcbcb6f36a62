"""Worker processes beside the server: as many as there is work for, up to a limit.

Processes, not threads: tracking and drawing frames together hold Python's lock enough that two
threads do 1.6 times the work of one, and two processes twice. They start with the first work, and
run at a lower priority than requests.
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

_LOOK: Final = 0.5  # seconds between looks for work, and for workers that died
_PATIENCE: Final = 5.0  # seconds that workers have to end

_logger: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Workforce:
    """Processes that work off one queue.

    Attributes:
        function: the function that each calls with the queue's messages, one at a time.
        queue: where its messages are.
        nice: by how much they give way to requests.
        wanted: how many are of use now; those that are not are left to wait.
        remind: has what was in the queue of an earlier run sent again; called before the first.
        free: gives to others what dead workers had; without it, their leases run out.
    """

    function: str
    queue: WorkQueue
    nice: int
    wanted: Callable[[Connection], int]
    remind: Callable[[Connection], None]
    free: Callable[[Connection, Sequence[UUID]], None] | None = None

    @contextmanager
    def working(self) -> Iterator[None]:
        """Work for as long as the block runs."""
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

        made = reminded = False
        while not ended.wait(_LOOK):
            try:
                if not made:
                    self.queue.make()
                    made = True
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
        """Those that have ended by themselves, until they are forgotten."""
        return [worker for worker, each in self._running.items() if each.poll() is not None]

    def forget(self, dead: Sequence[UUID]) -> None:
        """Make room for others in the place of the dead."""
        for worker in dead:
            del self._running[worker]

    def keep(self, count: int) -> None:
        """Start as many as are missing."""
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
            # It ends when this closes, which it does however this process ends.
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            # Ctrl-C in the terminal is for this process alone.
            start_new_session=True,
            env=os.environ | own,
        )

    def stop(self) -> None:
        """End them, leaving what they were at to others."""
        with self._lock:
            # A supervisor that was waiting for the database starts no more.
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
                    each.wait(1.0)  # one that is waiting for a disk ends after that


def work(function: str, nice: int, queue: str) -> None:
    """Work until standard input closes, which it does when whoever started this ends."""
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
    # Nothing is lost: the lease of what it was at runs out, and another worker takes it up.
    os._exit(0)
