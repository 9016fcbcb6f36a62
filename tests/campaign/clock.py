"""Clocks that jump: the server's, by libfaketime, and those of clients that sign requests."""

from __future__ import annotations

import os
import time
from itertools import count
from pathlib import Path
from random import Random

from tests.campaign.kills import check_tables
from tests.campaign.mix import clients
from tests.campaign.stage import Part, PartSkipped, Stage, together
from tests.campaign.tally import Tally
from tests.campaign.views import views
from tests.e2e.restarting import Machine

CLIENTS = 3
_COLLECTION = "staff"
# Debian's package is "faketime". The library replaces the functions that read the clock.
_LIBRARIES = (
    "/usr/lib/*/faketime/libfaketimeMT.so.1",
    "/usr/local/lib/faketime/libfaketimeMT.so.1",
)
_OFFSETS = (-86400 * 400, -86400, -3600, -61, -1, 0, 1, 61, 3600, 86400, 86400 * 400)  # seconds
_PAUSE = (1.0, 4.0)  # seconds between jumps


class Clock(Part):
    """The wall clock of the server and its Postgres jumps forwards and back."""

    name = "clock"
    share = 2

    def run(self, stage: Stage, tally: Tally) -> None:
        offset = stage.folder / "offset"
        offset.write_text("+0")
        machine = Machine(
            stage.folder / "data",
            stage.pack_directory,
            LD_PRELOAD=str(_library()),
            FAKETIME_TIMESTAMP_FILE=str(offset),
            FAKETIME_NO_CACHE="1",
            # Timeouts use the monotonic clock, which no one sets.
            FAKETIME_DONT_FAKE_MONOTONIC="1",
        )
        try:
            machine.client("rekognition").create_collection(CollectionId=_COLLECTION)
            pictures = views(stage.portraits)
            mixed = clients(machine.url, _COLLECTION, pictures, tally, stage.random, CLIENTS)
            jumper = _Jumper(offset, stage.random("jumper"), tally)
            together(stage, tally, *[client.step for client in mixed], jumper.step)
            for client in mixed:
                client.audit()
            check_tables(machine, tally)
        finally:
            if status := machine.server.stop():
                tally.surprise(f"The server stopped with status {status}.")


class _Jumper:
    """Sets the clock that the server sees."""

    def __init__(self, file: Path, random: Random, tally: Tally) -> None:
        self._file, self._random, self._tally = file, random, tally
        self._numbers = count()

    def step(self) -> None:
        time.sleep(self._random.uniform(*_PAUSE))
        new = self._file.with_suffix(f".{next(self._numbers)}")
        new.write_text(f"{self._random.choice(_OFFSETS):+d}")
        new.replace(self._file)
        self._tally.note("jumps of the clock")


def _library() -> Path:
    """Return libfaketime.

    Raises:
        PartSkipped: if it is not installed.
    """
    chosen = os.environ.get("FACEDEX_FAKETIME")
    found = [Path(chosen)] if chosen else []
    for pattern in _LIBRARIES:
        found += Path("/").glob(pattern.lstrip("/"))
    if not found:
        raise PartSkipped("libfaketime is not installed (Debian's package faketime).")
    return found[0]
