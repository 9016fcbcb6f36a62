"""The log of the embedded Postgres server, which only its owner can read."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import IO, Final

_MODE: Final = 0o600
_KEPT: Final = 4 * 1024 * 1024  # bytes after which a log is set aside


def opened(log: Path) -> IO[bytes]:
    """Open the log to append to it.

    A long log is set aside. One of an earlier release, which others could read, is removed with its
    predecessor: they contain names of people.
    """
    earlier = log.with_suffix(".log.old")
    if log.exists():
        found = log.stat()
        if stat.S_IMODE(found.st_mode) != _MODE:
            log.unlink()
            earlier.unlink(missing_ok=True)
        elif found.st_size > _KEPT:
            log.replace(earlier)
    return os.fdopen(os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, _MODE), "ab")
