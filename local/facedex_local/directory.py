"""The data directory, which one process at a time may use."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

import platformdirs
from filelock import FileLock, Timeout

from facedex_local import room
from facedex_local.environment import GALLERIES
from facedex_local.room import NO_ROOM
from facedex_local.start_errors import DirectoryInUse, DirectoryUnusable

_LOCK: Final = "lock"
_HOLDER: Final = "running.json"
_ID: Final = "server.id"
# Files of a copy of a gallery; see facedex/gallery/sharing.py.
_COPY: Final = re.compile(
    r"[0-9]+-(faces|users)-[0-9a-f]{12}\.(lock|state|new|[0-9a-f]{16}\.[0-9]+)"
)
# Files and folders of a data directory.
_OURS: Final = frozenset(
    (
        *(_LOCK, _HOLDER, f"{_HOLDER}.new", _ID, f"{_ID}.new"),
        *("keys.secret", "own.key", "metrics", "metrics.token", "rate"),
        *("postgres", "postgres.new", "postgres.log", "postgres.log.old"),
        GALLERIES,
        *("imports.sqlite", "imports.sqlite-wal", "imports.sqlite-shm"),
    )
)


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
        DiskFull: if its disk is full.
    """
    directory = directory.expanduser().absolute()
    # The lock file is never removed: otherwise two later starts could lock different files.
    lock = FileLock(
        directory / _LOCK, timeout=0, mode=0o600, fallback_to_soft=False, preserve_lock_file=True
    )
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _close_to_others(directory)
        lock.acquire()
        _remove_copies(directory)  # those that a killed server left
        announce(directory, url=None)
    except Timeout:
        raise DirectoryInUse(_describe_holder(directory)) from None
    except OSError as error:
        lock.release()
        if error.errno in NO_ROOM:
            raise room.full(directory) from None
        raise DirectoryUnusable(
            f"The data directory {directory} cannot be used ({error.strerror or error}); "
            "choose another with --data-dir."
        ) from None
    try:
        yield directory
    finally:
        _remove_copies(directory)
        (directory / _HOLDER).unlink(missing_ok=True)
        lock.release()


def _remove_copies(directory: Path) -> None:
    """Remove copies of galleries, which have the codes of faces, and their folder."""
    with suppress(OSError):  # there is none, or it has other files
        for path in (directory / GALLERIES).iterdir():
            if _COPY.fullmatch(path.name):
                path.unlink()
        (directory / GALLERIES).rmdir()


def _close_to_others(directory: Path) -> None:
    """Remove the permissions of others from a directory that has only files of this product.

    An earlier release, or another program, may have created the directory. The group may keep the
    permission to traverse it: root's Postgres runs as another account, which needs it.
    """
    found = directory.stat()
    foreign = {path.name for path in directory.iterdir()} - _OURS
    if found.st_uid == os.geteuid() and not foreign:
        directory.chmod(stat.S_IMODE(found.st_mode) & (stat.S_IRWXU | stat.S_IXGRP))


def announce(directory: Path, *, url: str | None, region: str | None = None) -> None:
    """Record in ``directory`` the id of this process, the URL that it serves, and its region."""
    draft = directory / f"{_HOLDER}.new"
    holder = {"pid": os.getpid(), "url": url, "region": region}
    draft.write_text(json.dumps(holder), encoding="utf-8")
    draft.replace(directory / _HOLDER)


def identify(directory: Path) -> str:
    """Return the random id of the server on ``directory``, which every start finds again.

    Args:
        directory: a directory that this process holds.

    Raises:
        DirectoryUnusable: if the id cannot be stored.
    """
    file, draft = directory / _ID, directory / f"{_ID}.new"
    try:
        if not file.exists():
            draft.write_text(f"{uuid4().hex}\n", encoding="ascii")
            draft.replace(file)
        return str(UUID(file.read_text(encoding="ascii").strip()).hex)
    except (OSError, ValueError) as error:
        raise DirectoryUnusable(
            f"{file} cannot be used ({error}); remove it, and the next start makes another id."
        ) from None


def is_held(directory: Path) -> bool:
    """Return whether a process, such as a server, uses ``directory``; nothing is created in it."""
    if not (directory / _LOCK).is_file():
        return False
    lock = FileLock(directory / _LOCK, timeout=0, fallback_to_soft=False, preserve_lock_file=True)
    try:
        lock.acquire()
    except Timeout:
        return True
    except OSError:
        return False
    lock.release()
    return False


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
