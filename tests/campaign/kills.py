"""SIGKILL of every kind of process during a mix of all operations."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count
from random import Random

import psutil

from tests.campaign.camera import Camera
from tests.campaign.crew import check_tables, enlist, stopping
from tests.campaign.jobs import Jobs
from tests.campaign.stage import Part, Stage, together
from tests.campaign.tally import Tally
from tests.campaign.uploads import Uploads
from tests.campaign.views import views
from tests.e2e.restarting import Machine
from tests.e2e.uploading import storage_elsewhere

CLIENTS = 4
_SHORTEST, _LONGEST = 3.0, 9.0  # seconds between kills


class Kills(Part):
    """Random kills, with an oracle for faces, users, jobs, uploads and stream records."""

    name = "kills"
    share = 9

    def run(self, stage: Stage, tally: Tally) -> None:
        with storage_elsewhere() as storage:
            machine = Machine(
                stage.folder / "data",
                stage.pack_directory,
                "--processes=2",
                FACEDEX_VIDEO_SEGMENT="4",
                PYTHONFAULTHANDLER="1",
                **{f"AWS_ENDPOINT_URL_{name}": storage for name in ("S3", "SQS", "SNS")},
            )
            with stopping(machine, tally):
                self._attack(stage, tally, machine, storage)
            if "Traceback" in (log := machine.server.log.read_text(errors="replace")):
                tally.surprise("The server logged a traceback.", material=log.encode())

    def _attack(self, stage: Stage, tally: Tally, machine: Machine, storage: str) -> None:
        mixed = enlist(machine, stage, tally, CLIENTS)
        uploads = Uploads(machine, storage, views(stage.portraits)[0], tally)
        jobs = Jobs(machine, storage, stage.portraits, tally)
        camera = Camera(machine, tally)
        killer = _Killer(machine, stage.random("killer"), tally, camera.killed, uploads)
        with camera.filming(stage.portraits, stage.folder):
            steps: Sequence[Callable[[], object]] = [client.step for client in mixed]
            together(stage, tally, *steps, uploads.step, jobs.step, camera.step, killer.step)
            for client in mixed:
                client.audit()
            uploads.finish()
            jobs.finish()
            camera.finish()
        machine.kill()  # what was acknowledged is on the disk, not only in memory
        for client in mixed:
            client.audit()
        check_tables(machine, tally)


class _Killer:
    """Kills a random process every few seconds, each kind of process once at first."""

    def __init__(
        self,
        machine: Machine,
        random: Random,
        tally: Tally,
        announce: Callable[[str], None],
        uploads: Uploads,
    ) -> None:
        self._machine, self._random, self._tally = machine, random, tally
        self._announce, self._uploads = announce, uploads
        self._numbers = count()

    def step(self) -> None:
        time.sleep(self._random.uniform(_SHORTEST, _LONGEST))
        kinds = sorted(_KINDS)
        number = next(self._numbers)
        kind = kinds[number] if number < len(kinds) else self._random.choice(kinds)
        self._announce(kind)
        if kind == "server":
            self._machine.kill()
            self._uploads.shorten_redelivery()
            self._tally.note("kills of a server")
        else:
            victims = _KINDS[kind](self._machine)
            for pid in victims[: self._random.choice((1, len(victims) or 1))]:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    self._tally.note(f"kills of a {kind}")


def _postmaster(machine: Machine) -> list[int]:
    """Return Postgres' first process; none while it is started again after a kill."""
    with suppress(FileNotFoundError, IndexError, ValueError):
        return [machine.postmaster()]
    return []


def _backends(machine: Machine) -> list[int]:
    """Return Postgres' processes but the first one, in the order of their start."""
    children: list[psutil.Process] = []
    for pid in _postmaster(machine):
        with suppress(psutil.NoSuchProcess):
            children = psutil.Process(pid).children()
    return [each.pid for each in sorted(children, key=lambda each: each.pid, reverse=True)]


def _of(word: str) -> Callable[[Machine], list[int]]:
    return lambda machine: [each.pid for each in machine.children(word)]


_KINDS: dict[str, Callable[[Machine], list[int]]] = {
    "server": lambda machine: [machine.server.process.pid],
    "replica": _of("facedex_local.replica"),
    "video worker": _of("search_video_segment"),
    "stream worker": _of("run_stream_processor"),
    "postmaster": _postmaster,
    "backend": _backends,
}
