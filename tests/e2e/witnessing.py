"""Records of a live stream, observed while processes are killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from tests.e2e.streaming import Scene, moment

LIVE = {"g": "10", "bf": "0", "sc_threshold": "0"}  # codec options of a camera
USUAL = 0.65  # maximum seconds between two records: of five frames per second, one may be skipped
SLACK = 5.0  # seconds between a frame and its record
BEHIND = 20.0  # maximum delay of a worker in seconds: unread media is lost with the server


@dataclass
class Kill:
    """A kill -9, and the time of the first record of a later frame, in seconds since 1970.

    Attributes:
        what: the kind of process.
        at: the time of the kill.
        recovered: the time at which that record was seen, or 0.
    """

    what: str
    at: float
    recovered: float = 0.0


@dataclass
class Witness:
    """An observer of the public results: records, and the processor's state."""

    scene: Scene
    records: list[Any] = field(default_factory=list)
    states: Counter[str] = field(default_factory=Counter)
    kills: list[Kill] = field(default_factory=list)

    def look(self) -> None:
        # The calls may fail: the server is down, its streams do not exist yet, or its
        # database is down.
        with suppress(BotoCoreError, ClientError):
            for came in self.scene.batches():
                self.records += came
                for kill in list(self.kills):
                    if not kill.recovered and any(moment(record) > kill.at for record in came):
                        kill.recovered = time.time()
        with suppress(BotoCoreError, ClientError):
            said = self.scene.describe()
            self.states[" ".join((said["Status"], said.get("StatusMessage", "")))] += 1

    def watch(self, seconds: float, enough: Callable[[], bool] = lambda: False) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not enough():
            self.look()
            time.sleep(0.2)

    def recovered(self) -> bool:
        return all(kill.recovered for kill in self.kills)


@dataclass(frozen=True)
class Gap:
    """A period without records; times in seconds since 1970.

    said: the skipped time that the next record reports, in seconds.
    """

    before: float
    after: float
    said: float

    @property
    def length(self) -> float:
        return self.after - self.before

    def kills(self, witness: Witness) -> list[Kill]:
        return [kill for kill in witness.kills if self.before - SLACK <= kill.at <= self.after]


def gaps(witness: Witness) -> list[Gap]:
    found = {round(moment(record), 3): record for record in witness.records}
    return [
        Gap(before, after, found[after]["StreamProcessorInformation"].get("SkippedSeconds", 0.0))
        for before, after in pairwise(sorted(found))
        if after - before > USUAL
    ]


def unexplained(witness: Witness) -> Iterator[str]:
    """Yield a sentence for each missing period that is longer than the recoveries explain."""
    for gap in gaps(witness):
        during = gap.kills(witness)
        if not during:
            yield f"{gap} is there, and nothing was killed"
            continue
        longest = max(kill.recovered for kill in during) - min(kill.at for kill in during)
        if gap.length > longest + BEHIND:
            yield f"{gap} is longer than the recovery of {longest:.1f} s"
        # A killed worker loses no media; frames are skipped only because the recovery took
        # time. A gap may be shorter than reported: a killed worker's last progress is unknown.
        media_kept = all(kill.what != "server" for kill in during)
        if media_kept and gap.said < gap.length - SLACK:
            yield f"{gap} is longer than its next record says, and the server was not killed"


@contextmanager
def pushing(url: str, film: Path, stream: str, log: Path) -> Iterator[None]:
    """Push a video in a loop with ``facedex stream push``, like a camera."""
    command = [str(Path(sys.executable).with_name("facedex")), "stream", "push", str(film)]
    options = ["--stream", stream, "--loop", "--url", url]
    with log.open("w") as said:
        process = subprocess.Popen([*command, *options], stdout=said, stderr=said)
    try:
        yield
        assert process.poll() is None, log.read_text()
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)
