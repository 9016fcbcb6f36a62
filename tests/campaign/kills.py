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
from tests.campaign.jobs import Jobs
from tests.campaign.mix import clients
from tests.campaign.stage import Part, Stage, together
from tests.campaign.tally import Tally
from tests.campaign.uploads import Uploads
from tests.campaign.views import views
from tests.e2e.consistency import contradictions, orphans
from tests.e2e.restarting import Machine
from tests.e2e.tables import Tables
from tests.e2e.uploading import storage_elsewhere

CLIENTS = 4
_COLLECTION = "staff"
_SHORTEST, _LONGEST = 3.0, 9.0  # seconds between kills
_SWEEP = 60.0  # maximum seconds until the rows of deleted collections are gone


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
            try:
                self._attack(stage, tally, machine, storage)
            finally:
                if status := machine.server.stop():
                    tally.surprise(f"The server stopped with status {status}.")
            if "Traceback" in (log := machine.server.log.read_text(errors="replace")):
                tally.surprise("The server logged a traceback.", material=log.encode())

    def _attack(self, stage: Stage, tally: Tally, machine: Machine, storage: str) -> None:
        machine.client("rekognition").create_collection(CollectionId=_COLLECTION)
        pictures = views(stage.portraits)
        mixed = clients(machine.url, _COLLECTION, pictures, tally, stage.random, CLIENTS)
        uploads = Uploads(machine, storage, pictures[0], tally)
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


def _backends(machine: Machine) -> list[int]:
    """Return Postgres' processes but the first one, in the order of their start."""
    children = psutil.Process(machine.postmaster()).children()
    return [each.pid for each in sorted(children, key=lambda each: each.pid, reverse=True)]


def _of(word: str) -> Callable[[Machine], list[int]]:
    return lambda machine: [each.pid for each in machine.children(word)]


_KINDS: dict[str, Callable[[Machine], list[int]]] = {
    "server": lambda machine: [machine.server.process.pid],
    "replica": _of("facedex_local.replica"),
    "video worker": _of("search_video_segment"),
    "stream worker": _of("run_stream_processor"),
    "postmaster": lambda machine: [machine.postmaster()],
    "backend": _backends,
}


def check_tables(machine: Machine, tally: Tally) -> None:
    """Compare the tables with each other: users with their faces' means, counters, deletions."""
    tables = Tables(machine.server)
    try:
        end = time.monotonic() + _SWEEP
        while (found := orphans(tables)) and time.monotonic() < end:
            time.sleep(0.5)
        if found:
            tally.lose(f"Rows of deleted collections remain: {found}")
        for sentence in contradictions(tables):
            tally.lose(f"In the tables, {sentence}.")
        ((users,),) = tables.rows("SELECT count(*) FROM users")
        tally.check(int(users))
    finally:
        tables.close()
