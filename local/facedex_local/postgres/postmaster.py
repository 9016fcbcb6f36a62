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


def runs(pid: int, cluster: Path) -> bool:
    """Return whether a process is the Postgres server of a cluster.

    After a power failure, and in a container that is started again, the id in a pid file may belong
    to any other program, also to the server of another cluster.
    """
    try:
        return _serves(psutil.Process(pid), cluster)
    except psutil.Error:
        return False


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process, which may have exited already."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def drop_foreign_lock(cluster: Path) -> None:
    """Remove ``postmaster.pid`` if it is damaged, or its process id belongs to another program now.

    This happens after a power failure. Postgres itself cannot determine that the file is stale,
    but the process that holds the data directory can.
    """
    file = cluster / "postmaster.pid"
    try:
        # That of a server for a single user is negative.
        pid = abs(int(file.read_bytes().partition(b"\n")[0]))
        if _serves(psutil.Process(pid), cluster):
            return
    except ValueError:
        pass  # no id was written: the file is empty, or has zeros
    except (FileNotFoundError, psutil.Error):
        return
    file.unlink(missing_ok=True)


def _serves(process: psutil.Process, cluster: Path) -> bool:
    """Return whether a process is the server of a cluster, or belongs to it.

    Raises:
        psutil.Error: if the process has ended, or cannot be examined.
    """
    if "postgres" not in process.name():
        return False
    try:
        place = process.cwd()  # every process of a server is in its cluster
    except psutil.AccessDenied:
        # In a container, root may not see it of a process of another account.
        command = process.cmdline()
        place = command[command.index("-D") + 1] if "-D" in command[:-1] else ""
    return bool(place) and Path(place).resolve() == cluster.resolve()
