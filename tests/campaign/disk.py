"""A full disk: the data directory is on a small file system that is filled and emptied."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from tests.campaign.crew import check_tables, enlist, stopping
from tests.campaign.stage import Part, PartSkipped, Stage, together
from tests.campaign.tally import Tally
from tests.e2e.restarting import Machine

CLIENTS = 3
_MEGABYTES = 220  # of the file system; a new data directory needs about a quarter of it
_FULL = (1.0, 5.0)  # seconds for which the disk stays full
_FREE = (2.0, 6.0)  # seconds between two such times
_BLOCK = 1 << 16  # bytes; the last block decides how many bytes remain free


class Disk(Part):
    """Writes while the disk is full, with the oracle of the kills."""

    name = "disk"
    share = 3

    def run(self, stage: Stage, tally: Tally) -> None:
        with _small_file_system(stage.folder / "small") as mounted:
            machine = Machine(mounted / "data", stage.pack_directory)
            with stopping(machine, tally):
                mixed = enlist(machine, stage, tally, CLIENTS)
                filler = _Filler(mounted, stage.random("filler"), tally)
                together(stage, tally, *[client.step for client in mixed], filler.step)
                filler.empty()
                for client in mixed:
                    client.audit()
                # What was acknowledged is on the disk, not only in memory.
                machine.kill()
                for client in mixed:
                    client.audit()
                check_tables(machine, tally)


@contextmanager
def _small_file_system(directory: Path) -> Iterator[Path]:
    """Mount a small tmpfs while the block runs.

    Raises:
        PartSkipped: if this process may not mount a file system.
    """
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_MEGABYTES}m,mode=755", "facedex-campaign"]
    try:
        subprocess.run([*mount, str(directory)], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        raise PartSkipped("a small file system needs root and the right to mount it.") from None
    try:
        yield directory
    finally:
        # The log files of processes that are still ending keep the file system busy.
        subprocess.run(["umount", "--lazy", str(directory)], check=True, capture_output=True)


class _Filler:
    """Fills the disk for some seconds, again and again."""

    def __init__(self, directory: Path, random: Random, tally: Tally) -> None:
        self._file = directory / "ballast"
        self._random, self._tally = random, tally

    def step(self) -> None:
        time.sleep(self._random.uniform(*_FREE))
        self._fill()
        self._tally.note("times full")
        end = time.monotonic() + self._random.uniform(*_FULL)
        while time.monotonic() < end:
            self._fill()  # also what was freed meanwhile
            time.sleep(0.2)
        self.empty()

    def empty(self) -> None:
        self._file.unlink(missing_ok=True)

    def _fill(self) -> None:
        file = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            size = _BLOCK
            while size:
                try:
                    os.write(file, bytes(size))
                except OSError:
                    size //= 2 if self._random.random() < 0.9 else size
        finally:
            os.close(file)
