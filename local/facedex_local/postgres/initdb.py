"""Creation of a Postgres cluster, which can be cancelled."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

from facedex_local import room
from facedex_local.postgres.account import Account
from facedex_local.start_errors import DatabaseFailed, StartCancelled

_POLL: Final = 0.1  # seconds between checks for a cancellation
_REASONS: Final = ("error:", "FATAL:", "PANIC:")


def run(directory: Path, binaries: Path, account: Account, stopping: threading.Event) -> None:
    """Create a cluster in an empty directory.

    Args:
        directory: directory of the cluster; removed if the cluster cannot be created.
        binaries: directory of ``initdb``.
        account: the account of the server.
        stopping: cancels the creation when it is set.

    Raises:
        DatabaseFailed: if the cluster cannot be created; the message has the reason.
        DiskFull: if the disk is full.
        StartCancelled: if ``stopping`` was set.
    """
    command = [
        str(binaries / "initdb"),
        *("--pgdata", str(directory), "--username", "postgres", "--auth", "trust"),
        # The collation is built into Postgres, so that an upgrade of the system cannot change the
        # sort order and corrupt indexes.
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
    if os.strerror(errno.ENOSPC) in errors.decode(errors="replace"):
        raise room.full(directory.parent)
    raise DatabaseFailed(f"Postgres could not be set up in {directory}: {_reason(errors)}")


def _reason(errors: bytes) -> str:
    """Return the line with the reason: the last one only says that the files are removed again."""
    lines = errors.decode(errors="replace").strip().splitlines()
    reasons = [line for line in lines if any(word in line for word in _REASONS)]
    return (reasons or lines[-1:] or ["initdb ended without a message"])[0]


def _finish(process: subprocess.Popen[bytes], stopping: threading.Event) -> bytes:
    """Wait for initdb and return its stderr; kill it and its children on a cancellation."""
    while True:
        try:
            return process.communicate(timeout=_POLL)[1]
        except subprocess.TimeoutExpired:
            if stopping.is_set():
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
