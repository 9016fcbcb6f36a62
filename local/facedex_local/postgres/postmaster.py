"""What a Postgres server says of itself in ``postmaster.pid``, and whether it is true."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class Postmaster:
    """The running server as its pid file tells it."""

    pid: int
    socket_directory: Path
    status: str

    @classmethod
    def read(cls, cluster: Path) -> Postmaster | None:
        """What the file says, or None where there is none or it is half written."""
        try:
            lines = (cluster / "postmaster.pid").read_text(encoding="utf-8").splitlines()
            return cls(int(lines[0]), Path(lines[4]), lines[7].strip())
        except (FileNotFoundError, IndexError, ValueError):
            return None

    def answers(self, binaries: Path) -> bool:
        """Whether a server is there, be it only to say that it starts or shuts down."""
        probe = subprocess.run(
            [str(binaries / "pg_isready"), "--host", str(self.socket_directory), "--quiet"],
            check=False,
            start_new_session=True,
        )
        return probe.returncode in (0, 1)


def process_exists(pid: int) -> bool:
    """Whether any process has the id."""
    return bool(psutil.pid_exists(pid))


def send(pid: int, number: signal.Signals) -> None:
    """Signal a process, which may be gone already."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def drop_foreign_lock(cluster: Path) -> None:
    """Remove ``postmaster.pid`` if its process id now belongs to some other program.

    That happens after a power cut. Postgres cannot tell; whoever holds the data directory can.
    """
    postmaster = Postmaster.read(cluster)
    if postmaster is None:
        return
    try:
        name = psutil.Process(postmaster.pid).name()
    except psutil.Error:
        return
    if "postgres" not in name:
        (cluster / "postmaster.pid").unlink(missing_ok=True)
