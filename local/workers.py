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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from facedex.api.catalog import WORKERS
from local.queues import WorkQueue

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
    """

    function: str
    queue: WorkQueue
    nice: int
    wanted: Callable[[Connection], int]
    remind: Callable[[Connection], None]

    @contextmanager
    def working(self) -> Iterator[None]:
        """Work for as long as the block runs."""
        ended = threading.Event()
        pool = _Pool(self)
        supervisor = threading.Thread(
            target=self._supervise, args=(pool, ended), name=self.function
        )
        supervisor.start()
        try:
            yield
        finally:
            ended.set()
            supervisor.join()
            pool.stop()

    def _supervise(self, pool: _Pool, ended: threading.Event) -> None:
        from facedex import services
        from facedex.store.errors import DatabaseUnavailable

        made = reminded = False
        while not ended.wait(_LOOK):
            try:
                if not made:
                    self.queue.make()
                    made = True
                with services.database().transaction() as connection:
                    wanted = self.wanted(connection)
                    if wanted and not reminded:
                        self.remind(connection)
                        reminded = True
            except (DatabaseUnavailable, BotoCoreError, ClientError) as error:
                _logger.warning("Work for %s waits: %s", self.function, error)
                ended.wait(_PATIENCE)
                continue
            pool.keep(wanted)


class _Pool:
    """The processes of a workforce."""

    def __init__(self, workforce: Workforce) -> None:
        self._workforce = workforce
        self._running: list[subprocess.Popen[bytes]] = []

    def keep(self, count: int) -> None:
        """Start as many as are missing."""
        self._running = [each for each in self._running if each.poll() is None]
        while len(self._running) < count:
            work = self._workforce
            command = [sys.executable, "-m", "local.worker", work.function, str(work.nice)]
            self._running.append(
                subprocess.Popen(
                    [*command, os.environ[work.queue.setting]],
                    # It ends when this closes, which it does however this process ends.
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    # Ctrl-C in the terminal is for this process alone.
                    start_new_session=True,
                    env={**os.environ, "FACEDEX_THREADS": "1", "FACEDEX_CONNECTIONS": "2"},
                )
            )

    def stop(self) -> None:
        """End them, leaving what they were at to others."""
        for each in self._running:
            if each.stdin:
                each.stdin.close()
        end = time.monotonic() + _PATIENCE
        for each in self._running:
            try:
                each.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                each.kill()
                each.wait()


def work(function: str, nice: int, queue: str) -> None:
    """Work until standard input closes, which it does when whoever started this ends."""
    from local.event_source import EventSource

    os.nice(nice)
    row = WORKERS[function]
    client: Any = boto3.client("sqs")
    EventSource(
        queue,
        row.handler,
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
