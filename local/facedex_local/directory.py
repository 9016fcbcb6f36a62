"""The data directory, which one process at a time may use."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import platformdirs
from filelock import FileLock, Timeout

from facedex_local.start_errors import DirectoryInUse, DirectoryUnusable

_LOCK: Final = "lock"
_HOLDER: Final = "running.json"


def default() -> Path:
    """Return the data directory that is used if the user does not choose one."""
    return platformdirs.user_data_path("facedex")


@contextmanager
def hold(directory: Path) -> Iterator[Path]:
    """Create ``directory`` if it is missing, and lock it against other processes.

    The operating system releases the lock when the process ends, even if it is killed.

    Yields:
        The absolute path of the directory.

    Raises:
        DirectoryInUse: if another process holds the lock.
        DirectoryUnusable: if the directory cannot be created or written.
    """
    directory = directory.expanduser().absolute()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        # The lock file is never removed: otherwise two later starts could lock different files.
        lock = FileLock(
            directory / _LOCK, timeout=0, fallback_to_soft=False, preserve_lock_file=True
        )
        lock.acquire()
    except Timeout:
        raise DirectoryInUse(_describe_holder(directory)) from None
    except OSError as error:
        raise DirectoryUnusable(
            f"The data directory {directory} cannot be used ({error.strerror or error}); "
            "choose another with --data-dir."
        ) from None
    try:
        announce(directory, url=None)
        yield directory
    finally:
        (directory / _HOLDER).unlink(missing_ok=True)
        lock.release()


def announce(directory: Path, *, url: str | None, region: str | None = None) -> None:
    """Record in ``directory`` the id of this process, the URL that it serves, and its region."""
    draft = directory / f"{_HOLDER}.new"
    holder = {"pid": os.getpid(), "url": url, "region": region}
    draft.write_text(json.dumps(holder), encoding="utf-8")
    draft.replace(directory / _HOLDER)


def announced(directory: Path) -> str | None:
    """Return the URL of the server that uses ``directory``, or None if none is running yet."""
    return _announced(directory, "url")


def announced_region(directory: Path) -> str | None:
    """Return the configured region of the server that uses ``directory``, or None."""
    return _announced(directory, "region")


def _announced(directory: Path, name: str) -> str | None:
    try:
        holder = json.loads((directory.expanduser() / _HOLDER).read_text(encoding="utf-8"))
        value = holder[name]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return value if isinstance(value, str) else None


def _describe_holder(directory: Path) -> str:
    try:
        holder = json.loads((directory / _HOLDER).read_text(encoding="utf-8"))
        who = f"process {holder['pid']}"
        where = f", {holder['url']}" if holder["url"] else ", still starting"
    except (OSError, ValueError, KeyError, TypeError):
        who, where = "another process", ""
    return (
        f"facedex is already running on {directory} ({who}{where}); "
        "stop it first, or choose another directory with --data-dir."
    )
