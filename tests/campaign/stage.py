"""What a part of the campaign gets to work with, and what it must implement."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import psutil

from tests.campaign.tally import Tally
from tests.conftest import Server, client_of


class PartSkipped(Exception):
    """This machine cannot run the part; the message says what is missing."""


@dataclass(frozen=True)
class Stage:
    """The surroundings of a part.

    Attributes:
        seed: seed of the campaign.
        part: name of the part.
        seconds: how long the part should work; its set-up and its checks take further time.
        folder: directory for the part's files.
        pack_directory: the installed default model pack.
        portraits: photos of two people, in the public domain, by name.
    """

    seed: str
    part: str
    seconds: float
    folder: Path
    pack_directory: Path
    portraits: Mapping[str, bytes]

    def random(self, *names: object) -> Random:
        """Return a generator that depends on the seed, the part and these names alone."""
        return Random("/".join(map(str, (self.seed, self.part, *names))))

    @contextmanager
    def server(self, tally: Tally, *arguments: str, **environment: str) -> Iterator[Server]:
        """Run a server that must live, log no traceback and stop with status 0."""
        server = Server(
            self.folder / "data",
            *(arguments or ("--port=0",)),
            **{"FACEDEX_MODELS": str(self.pack_directory.parent), **environment},
        )
        process = psutil.Process(server.process.pid)
        before = process.memory_info().rss
        try:
            yield server
            if server.process.poll() is None:
                tally.note("MiB more memory", (process.memory_info().rss - before) >> 20)
        finally:
            if (status := server.process.poll()) is not None:
                tally.surprise(f"The server ended by itself with status {status}.")
            elif status := server.stop():
                tally.surprise(f"The server stopped with status {status}.")
            log = server.log.read_text(errors="replace")
            if "Traceback" in log:
                tally.surprise("The server logged a traceback.", material=log.encode())


class Part(ABC):
    """A part of the campaign.

    Attributes:
        name: its name on the command line and in the report.
        share: its share of the campaign's time, relative to the other parts.
    """

    name: ClassVar[str]
    share: ClassVar[float]

    @abstractmethod
    def run(self, stage: Stage, tally: Tally) -> None:
        """Work for the stage's time, then check what must hold.

        Raises:
            PartSkipped: if this machine cannot run the part.
        """

    def replay(self, stage: Stage, tally: Tally, number: int | None) -> None:
        """Repeat what led to an incident; by default, run the part with the same seed."""
        tally.note(f"repeating the part of incident {number}")
        self.run(stage, tally)


Attempt = Callable[[int], None]


class Attempts(Part):
    """A part of independent attempts.

    Each attempt is made from the seed and its own number alone, so that it can be repeated alone.
    """

    clients: ClassVar[int] = 4

    @abstractmethod
    def open(self, stage: Stage, tally: Tally) -> AbstractContextManager[Attempt]:
        """Start a server, and yield a function that makes the attempt of a number."""

    def run(self, stage: Stage, tally: Tally) -> None:
        numbers = count()
        with self.open(stage, tally) as attempt:
            together(
                stage,
                tally,
                *[lambda: _try(attempt, next(numbers), tally) for _ in range(self.clients)],
            )

    def replay(self, stage: Stage, tally: Tally, number: int | None) -> None:
        if number is None:
            self.run(stage, tally)
            return
        with self.open(stage, tally) as attempt:
            _try(attempt, number, tally)


def together(stage: Stage, tally: Tally, *steps: Callable[[], object]) -> None:
    """Repeat each step in a thread of its own for the stage's time.

    A step that raises an exception is reported and not repeated.
    """

    end = time.monotonic() + stage.seconds

    def repeat(step: Callable[[], object]) -> None:
        while time.monotonic() < end:
            try:
                step()
            except Exception as error:
                tally.surprise(f"A client failed: {describe(error)}")
                return

    threads = [threading.Thread(target=repeat, args=(step,)) for step in steps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _try(attempt: Attempt, number: int, tally: Tally) -> None:
    tally.attempt()
    try:
        attempt(number)
    except Exception as error:  # a timeout, a closed connection, or anything that is not an answer
        tally.surprise(f"The attempt had no valid answer: {describe(error)}", number)


def describe(error: Exception) -> str:
    """Return an exception's type and message."""
    return f"{type(error).__name__}: {error}"


def client(url: str, service: str, **options: Any) -> Any:
    """Return a boto3 client; the options are those of ``client_of``."""
    return client_of(url, service, **options)
