"""A new Postgres cluster, whose making a stop can break off."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

from facedex_local.errors import DatabaseFailed, StartCancelled
from facedex_local.postgres.account import Account

_LOOK: Final = 0.1  # seconds between looks for a stop


def run(directory: Path, binaries: Path, account: Account, stopping: threading.Event) -> None:
    """Make a cluster in an empty directory.

    Args:
        directory: where its files go; it is removed if the cluster cannot be made.
        binaries: where ``initdb`` is.
        account: the owner of the server.
        stopping: breaks it off.

    Raises:
        DatabaseFailed: if with the reason.
        StartCancelled: if ``stopping`` was set.
    """
    command = [
        str(binaries / "initdb"),
        *("--pgdata", str(directory), "--username", "postgres", "--auth", "trust"),
        # The sort order comes with Postgres, so an upgrade of the system cannot change it
        # under an index.
        *("--encoding", "UTF8", "--locale", "C"),
        *("--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
        "--no-instructions",
    ]
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        cwd="/",
        **account.popen_arguments(),
    ) as process:
        errors = _finish(process, stopping)
    if process.returncode == 0:
        return
    shutil.rmtree(directory, ignore_errors=True)
    if stopping.is_set():
        raise StartCancelled
    reason = errors.decode(errors="replace").strip().splitlines()[-1:]
    raise DatabaseFailed(f"Postgres could not be set up in {directory}: {' '.join(reason)}")


def _finish(process: subprocess.Popen[bytes], stopping: threading.Event) -> bytes:
    """Wait for the end of initdb, killing it and its children on a stop; return its stderr."""
    while True:
        try:
            return process.communicate(timeout=_LOOK)[1]
        except subprocess.TimeoutExpired:
            if stopping.is_set():
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
