"""Records of a camera continue while workers, database and server are killed at random.

``FACEDEX_TEST_KILLS_SECONDS`` says for how long; the issue of it is ten minutes, CI takes less.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import statistics
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

import psutil
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.conftest import Server
from tests.e2e.films import Studio, moving
from tests.e2e.streaming import PATIENCE, Scene, moment, names, workers

SECONDS = float(os.environ.get("FACEDEX_TEST_KILLS_SECONDS", "10"))
LIVE = {"g": "10", "bf": "0", "sc_threshold": "0"}
CHANCES = ("worker", "worker", "database", "server")
SHORTEST, LONGEST = 4.0, 20.0  # seconds between kills
USUAL = 0.65  # maximum seconds between two records: of five frames per second, one may be skipped
SLACK = 5.0  # seconds between a frame and its record
BEHIND = 20.0  # maximum delay of a worker in seconds: unread media is lost with the server


@dataclass
class Kill:
    """A kill -9, and the time of the first record of a later frame, in seconds since 1970."""

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
                for kill in self.kills:
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


class Machine:
    """A server that is restarted on the same data directory and port."""

    def __init__(self, directory: Path, pack_directory: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self._directory, self._models = directory, str(pack_directory.parent)
        self.server = self._start()

    def client(self, service: str, **options: Any) -> Any:
        config = Config(retries={"total_max_attempts": 1}, read_timeout=10)
        return self.server.client(service, config=config, **options)

    def kill(self) -> None:
        """Kill the server, check that none of its processes remains, and restart it."""
        children = psutil.Process(self.server.process.pid).children(recursive=True)
        self.server.process.kill()
        self.server.process.wait()
        left = [each for each in children if "postgres" not in _name(each)]
        _, alive = psutil.wait_procs(left, timeout=20)
        assert not alive
        self.server = self._start()

    def kill_database(self) -> None:
        pid = (self._directory / "postgres" / "postmaster.pid").read_text().split()[0]
        os.kill(int(pid), signal.SIGKILL)

    def _start(self) -> Server:
        return Server(self._directory, f"--port={self._port}", FACEDEX_MODELS=self._models)


def _name(process: psutil.Process) -> str:
    try:
        return str(process.name())
    except psutil.NoSuchProcess:
        return ""


@contextmanager
def pushing(machine: Machine, film: Path, stream: str, log: Path) -> Iterator[None]:
    """Push a video in a loop with ``facedex stream push``, like a camera."""
    command = [str(Path(sys.executable).with_name("facedex")), "stream", "push", str(film)]
    options = ["--stream", stream, "--loop", "--url", machine.server.url]
    with log.open("w") as said:
        process = subprocess.Popen([*command, *options], stdout=said, stderr=said)
    try:
        yield
        assert process.poll() is None, log.read_text()
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


@pytest.fixture
def machine(tmp_path: Path, pack_directory: Path) -> Iterator[Machine]:
    made = Machine(tmp_path / "data", pack_directory)
    yield made
    assert made.server.stop() == 0


def test_a_processor_survives_kills_of_any_process(
    machine: Machine, portraits: dict[str, bytes], tmp_path: Path
) -> None:
    film = tmp_path / "door.mp4"
    film.write_bytes(moving(portraits, *portraits, seconds=10, codec_options=LIVE))
    scene = Scene(machine, Studio(machine.server, portraits).name)
    witness = Witness(scene)
    chance = random.Random(int(SECONDS))
    with pushing(machine, film, scene.name, tmp_path / "push.log"):
        scene.start()
        witness.watch(PATIENCE, lambda: len(witness.records) > 10)
        assert witness.states.keys() <= {"STARTING ", "RUNNING "}
        end = time.monotonic() + SECONDS
        first = ["worker", "database", "server"]
        while first or time.monotonic() < end:
            what = first.pop(0) if first else chance.choice(CHANCES)
            witness.kills.append(Kill(what, time.time()))
            if what == "worker":
                for pid in workers(machine.server):
                    os.kill(pid, signal.SIGKILL)
            elif what == "database":
                machine.kill_database()
            else:
                machine.kill()
            left = end - time.monotonic()
            witness.watch(min(chance.uniform(SHORTEST, LONGEST), max(left, SHORTEST)))
        witness.watch(PATIENCE, witness.recovered)
        witness.watch(3)
    report(witness)
    assert witness.recovered()
    assert scene.describe()["Status"] == "RUNNING"
    assert {state.split()[0] for state in witness.states} <= {"STARTING", "RUNNING"}
    assert names(witness.records[-10:]) == set(portraits)
    check_gaps(witness)
    scene.stop()


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


def check_gaps(witness: Witness) -> None:
    """Check that missing periods are not longer than the recoveries."""
    for gap in gaps(witness):
        during = gap.kills(witness)
        assert during, f"{gap} is there, and nothing was killed"
        longest = max(kill.recovered for kill in during) - min(kill.at for kill in during)
        assert gap.length <= longest + BEHIND
        if all(kill.what != "server" for kill in during):
            # A killed worker loses no media; frames are skipped only because the recovery took
            # time. A gap may be shorter than reported: a killed worker's last progress is unknown.
            assert gap.said >= gap.length - SLACK, gap


def report(witness: Witness) -> None:
    for what in ("worker", "database", "server"):
        took = [kill.recovered - kill.at for kill in witness.kills if kill.what == what]
        print(
            f"{len(took)} x {what} killed: back after {statistics.median(took):.1f} s"
            f" (median), {max(took):.1f} s (longest)"
        )
    different = len({moment(record) for record in witness.records})
    print(f"{len(witness.records)} records, {len(witness.records) - different} of them twice")
    print(f"states {dict(witness.states)}")
    for gap in gaps(witness):
        killed = ", ".join(kill.what for kill in gap.kills(witness))
        print(f"{gap.length:.1f} s missing after: {killed}; the next record says {gap.said:.1f}")
