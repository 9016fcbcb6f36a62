"""Room on the disk of the data directory, without which the server does not start."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from typing import Final

from facedex_local.start_errors import DiskFull

# Errors of the operating system: no space, or the user's quota is exceeded.
NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)
# Bytes that Postgres needs to start: two files of its write-ahead log, or a new cluster.
_START: Final = 32 << 20
_NEW_CLUSTER: Final = 128 << 20


def require(directory: Path, *, new: bool) -> None:
    """Check that Postgres has room to start.

    Args:
        directory: the data directory.
        new: whether the cluster has to be created.

    Raises:
        DiskFull: if it has not.
    """
    needed = _NEW_CLUSTER if new else _START
    if shutil.disk_usage(directory).free < needed:
        raise full(directory, needed)


def full(directory: Path, needed: int = _START) -> DiskFull:
    """Return the error for a disk without room."""
    free = shutil.disk_usage(_existing(directory)).free
    return DiskFull(
        f"The disk is full: {free >> 20} MiB are free for {directory}, and facedex needs"
        f" {needed >> 20} MiB to start; free some space, or choose another disk with --data-dir."
    )


def _existing(directory: Path) -> Path:
    return next(path for path in (directory, *directory.parents) if path.exists())
