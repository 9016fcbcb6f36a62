"""Free space on the disk of a database on this machine.

Postgres stops when the disk of its write-ahead log is full, and does not start again before there
is room. A part of the disk is therefore reserved: with less free space, writes are refused, and
reads continue. Deletions may use half of the reserve.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from facedex.store.store_errors import DatabaseFull


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk of a database.

    Attributes:
        directory: a directory on it.
        reserve: number of free bytes below which writes are refused.
    """

    directory: Path
    reserve: int

    def free(self) -> int:
        """Return the number of bytes that the database can still use."""
        return shutil.disk_usage(self.directory).free

    def shortage(self) -> str | None:
        """Return a clause that describes the shortage, or None if there is room for writes.

        /health shows it to callers without an access key, so it does not name the directory.
        """
        free = self.free()
        if free >= self.reserve:
            return None
        return (
            f"the disk is full: {free >> 20} MiB of the disk with the data directory are free, and"
            f" writes need {self.reserve >> 20} MiB"
        )

    def require_room(self, *, frees: bool = False) -> None:
        """Check that there is room for a write.

        Args:
            frees: whether the write is a deletion, which may use half of the reserve.

        Raises:
            DatabaseFull: if there is not enough room.
        """
        if self.free() < (self.reserve // 2 if frees else self.reserve):
            raise DatabaseFull(DatabaseFull.MESSAGE)
