"""Stored video on one machine: the queue, and worker processes that do what is in it.

Processes, not threads: tracking and drawing frames together hold Python's lock enough that two
threads do 1.6 times the work of one, and two processes twice. They start with the first job and
run at a lower priority, so that requests are answered while films are searched.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError

_QUEUE: Final = "facedex-video"
_VISIBILITY: Final = 360  # seconds, as deployed: a minute more than the function may take
_LOOK: Final = 0.5  # seconds between looks for a first job, and for workers that died
_PATIENCE: Final = 5.0  # seconds that a worker has to end

_logger: Final = logging.getLogger(__name__)


def settle(environment: MutableMapping[str, str] = os.environ) -> None:
    """Name the queue of this machine, unless the user has named another.

    Queues of moto have addresses that are known before they are made.
    """
    if "FACEDEX_VIDEO_QUEUE" not in environment:
        place = environment.get("AWS_ENDPOINT_URL_SQS") or environment.get("AWS_ENDPOINT_URL")
        if place:
            environment["FACEDEX_VIDEO_QUEUE"] = f"{place}/123456789012/{_QUEUE}"


@contextmanager
def working() -> Iterator[None]:
    """Work on video jobs for as long as the block runs."""
    ended = threading.Event()
    workers = _Workers(int(os.environ.get("FACEDEX_VIDEO_WORKERS") or os.cpu_count() or 1))
    supervisor = threading.Thread(target=_supervise, args=(workers, ended), name="video")
    supervisor.start()
    try:
        yield
    finally:
        ended.set()
        supervisor.join()
        workers.stop()


class _Workers:
    """Worker processes, kept at a number.

    Args:
        count: how many.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._running: list[subprocess.Popen[bytes]] = []

    def keep(self) -> None:
        """Start as many as are missing."""
        self._running = [each for each in self._running if each.poll() is None]
        while len(self._running) < self._count:
            self._running.append(
                subprocess.Popen(
                    [sys.executable, "-m", "local.video_worker"],
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
        for each in self._running:
            try:
                each.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                each.kill()
                each.wait()


def _supervise(workers: _Workers, ended: threading.Event) -> None:
    from facedex import services
    from facedex.store import tasks
    from facedex.store.errors import DatabaseUnavailable

    made = started = False
    while not ended.wait(_LOOK):
        try:
            made = made or _make_queue()
            with services.database().transaction() as connection:
                if not started and tasks.any_left(connection):
                    # What was in the queue of an earlier run is lost with it.
                    tasks.send_again(connection)
                    started = True
        except (DatabaseUnavailable, BotoCoreError, ClientError) as error:
            _logger.warning("Video jobs wait: %s", error)
            ended.wait(_PATIENCE)
            continue
        if started:
            workers.keep()


def _make_queue() -> bool:
    """Make the machine's own queue; one that the user has named is there."""
    url = os.environ.get("FACEDEX_VIDEO_QUEUE", "")
    if url.endswith(f"/{_QUEUE}"):
        client: Any = boto3.client("sqs")
        client.create_queue(QueueName=_QUEUE, Attributes={"VisibilityTimeout": str(_VISIBILITY)})
    return True
