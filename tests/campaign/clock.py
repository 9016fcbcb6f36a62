"""The server's wall clock jumps forwards and back, and the acknowledged writes remain.

A small library in C, which is compiled here and preloaded into the server's processes and Postgres,
adds an offset to their clock. libfaketime is not used: with it, Python's ``time.sleep`` fails.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path
from random import Random

from tests.campaign.crew import check_tables, enlist, stopping
from tests.campaign.stage import Part, PartSkipped, Stage, together
from tests.campaign.tally import Tally
from tests.e2e.restarting import Machine

CLIENTS = 3
_OFFSETS = (-86400 * 400, -86400, -3600, -61, -1, 0, 1, 61, 3600, 86400, 86400 * 400)  # seconds
_PAUSE = (1.0, 4.0)  # seconds between jumps


class Clock(Part):
    """The wall clock of the server and its Postgres jumps forwards and back."""

    name = "clock"
    share = 2

    def run(self, stage: Stage, tally: Tally) -> None:
        offset = stage.folder / "offset"
        offset.write_bytes(struct.pack("=q", 0))
        machine = Machine(
            stage.folder / "data",
            stage.pack_directory,
            LD_PRELOAD=str(_compile(stage.folder)),
            CAMPAIGN_CLOCK=str(offset),
        )
        with stopping(machine, tally):
            mixed = enlist(machine, stage, tally, CLIENTS)
            jumper = _Jumper(offset, stage.random("jumper"), tally)
            together(stage, tally, *[client.step for client in mixed], jumper.step)
            for client in mixed:
                client.audit()
            check_tables(machine, tally)


class _Jumper:
    """Sets the clock that the server sees."""

    def __init__(self, file: Path, random: Random, tally: Tally) -> None:
        self._file, self._random, self._tally = file, random, tally

    def step(self) -> None:
        time.sleep(self._random.uniform(*_PAUSE))
        with self._file.open("r+b", buffering=0) as file:
            file.write(struct.pack("=q", self._random.choice(_OFFSETS)))
        self._tally.note("jumps of the clock")


def _compile(folder: Path) -> Path:
    """Return the compiled library.

    Raises:
        PartSkipped: if there is no C compiler, or this is not Linux.
    """
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        raise PartSkipped("changing the server's clock needs Linux and a C compiler (cc).")
    library = folder / "clock_offset.so"
    source = Path(__file__).with_name("clock_offset.c")
    command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(source)]
    subprocess.run(command, check=True)
    return library
