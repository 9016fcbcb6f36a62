"""Removal of files that a crash left in the cluster of the embedded Postgres."""

from __future__ import annotations

import logging
import re
import time
from math import inf
from pathlib import Path
from typing import Final

from facedex.store import abandoned_files, erasing
from facedex.store.database import Database

# A file of a table or an index: its number, the fork, and the gigabyte.
_NAME: Final = re.compile(r"([0-9]+)(?:_[a-z]+)?(?:\.[0-9]+)?")
# Seconds since the last write. A transaction creates a file a moment before others can see that it
# writes.
_AGE: Final = 60.0

_logger: Final = logging.getLogger("facedex")


def remove(
    cluster: Path, database: Database, *, age: float = _AGE, waits: bool = False
) -> int | None:
    """Remove the files of tables that were being rewritten when Postgres was killed.

    Args:
        cluster: directory of the cluster, which must be this process's own.
        database: its database, as a superuser.
        age: seconds for which a file must not have been written.
        waits: whether to wait for an erasure in progress.

    Returns:
        The number of files removed, or None while an erasure or another transaction writes, or if
        the files are not those of the database.

    Raises:
        DatabaseUnavailable: if the database does not answer.
        OSError: if a file cannot be removed.
    """
    with (
        database.autocommit() as connection,
        erasing.unlimited(connection),
        erasing.alone(connection, waits=waits) as taken,
    ):
        if not taken:
            return None
        files: dict[int, list[Path]] = {}
        for path in (cluster / abandoned_files.folder(connection)).iterdir():
            if name := _NAME.fullmatch(path.name):
                files.setdefault(int(name[1]), []).append(path)
        latest = time.time() - age
        old = {number for number, paths in files.items() if _filled_until(paths) <= latest}
        found = abandoned_files.find(connection, old, files.keys())
        if found is None:
            return None
        removed = [path for number in found for path in files[number]]
        for path in removed:
            path.unlink(missing_ok=True)
    if removed:
        _logger.warning("%d files of tables were removed that a crash had left.", len(removed))
    return len(removed)


def _filled_until(paths: list[Path]) -> float:
    """Return the time of the last write to any of the files; the future if they are empty.

    Postgres itself empties the files of a table that is dropped, and removes them some time later.
    """
    try:
        found = [path.stat() for path in paths]
    except FileNotFoundError:
        return inf  # Postgres has just removed one
    return max(each.st_mtime for each in found) if any(each.st_size for each in found) else inf
