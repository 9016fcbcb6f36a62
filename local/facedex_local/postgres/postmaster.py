"""Reading of a Postgres server's ``postmaster.pid``, and checks that the server runs."""

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
    """A server as described by its pid file."""

    pid: int
    socket_directory: Path
    status: str

    @classmethod
    def read(cls, cluster: Path) -> Postmaster | None:
        """Read the pid file; return None if it does not exist or is incomplete.

        Args:
            cluster: directory of the cluster.
        """
        try:
            lines = (cluster / "postmaster.pid").read_text(encoding="utf-8").splitlines()
            return cls(int(lines[0]), Path(lines[4]), lines[7].strip())
        except (FileNotFoundError, IndexError, ValueError):
            return None

    def answers(self, binaries: Path) -> bool:
        """Return whether a server answers, even if it is starting up or shutting down.

        Args:
            binaries: directory of ``pg_isready``.
        """
        probe = subprocess.run(
            [str(binaries / "pg_isready"), "--host", str(self.socket_directory), "--quiet"],
            check=False,
            start_new_session=True,
        )
        return probe.returncode in (0, 1)


def process_exists(pid: int) -> bool:
    """Return whether a process with this id exists."""
    return bool(psutil.pid_exists(pid))


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process, which may have exited already."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def drop_foreign_lock(cluster: Path) -> None:
    """Remove ``postmaster.pid`` if its process id now belongs to another program.

    This happens after a power failure. Postgres itself cannot determine that the file is stale,
    but the process that holds the data directory can.
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
