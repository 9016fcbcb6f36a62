"""Blocks of memory for codes: of one process, or of a file that several processes map."""

from __future__ import annotations

import mmap
import os
import stat
import sys
from contextlib import suppress
from pathlib import Path

# Only the owner may read and write the files.
_MODE = 0o600


class Damaged(Exception):
    """A file of a gallery is not what its owner wrote."""


class Block:
    """Memory that never moves.

    Args:
        data: the memory.
        path: of its file; None if it has none.
        file: an open descriptor of the file, which the block closes.
    """

    def __init__(self, data: mmap.mmap, path: Path | None = None, file: int | None = None) -> None:
        self.data, self.path, self._file = data, path, file

    @classmethod
    def private(cls, size: int) -> Block:
        """Return memory of this process alone."""
        if sys.platform == "win32":
            return cls(mmap.mmap(-1, size))
        data = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        return cls(_in_large_pages(data))

    @classmethod
    def create(cls, path: Path, size: int) -> Block:
        """Return the memory of a new file.

        Raises:
            OSError: if the disk has no room, for example.
        """
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
        try:
            _reserve(file, size)
            return cls(_in_large_pages(mmap.mmap(file, size)), path, file)
        except BaseException:
            os.close(file)
            path.unlink()
            raise

    @classmethod
    def open(cls, path: Path, size: int) -> Block:
        """Return the memory of another process's file, which cannot be written.

        Raises:
            Damaged: if the file has another size or is not only the owner's.
            FileNotFoundError: if there is none.
        """
        file = open_own(path)
        if os.fstat(file).st_size != size:
            os.close(file)
            raise Damaged(f"{path.name} has another size.")
        data = mmap.mmap(file, size, access=mmap.ACCESS_READ)
        return cls(_in_large_pages(data), path, file)

    def require_whole(self) -> None:
        """Check that the file was not cut: to read the memory behind its end would end the process.

        Raises:
            Damaged: if it was.
        """
        if self._file is not None and os.fstat(self._file).st_size != len(self.data):
            raise Damaged("A file of a gallery was cut.")

    def content(self) -> mmap.mmap | bytes:
        """Return the memory; of a file a copy, which may be cut while it is read.

        Raises:
            Damaged: if the file was cut.
        """
        if self._file is None:
            return self.data
        content = os.pread(self._file, len(self.data), 0)
        if len(content) != len(self.data):
            raise Damaged("A file of a gallery was cut.")
        return content

    def remove(self) -> None:
        """Remove the file; the memory remains until it is used no more."""
        if self.path:
            self.path.unlink(missing_ok=True)

    def __del__(self) -> None:
        if self._file is not None:
            with suppress(OSError):
                os.close(self._file)


def _in_large_pages(data: mmap.mmap) -> mmap.mmap:
    """Let the system use pages of 2 MiB, with which a scan takes a tenth less time."""
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with suppress(OSError):  # not all systems and file systems have them
            data.madvise(mmap.MADV_HUGEPAGE)
    return data


def _reserve(file: int, size: int) -> None:
    """Give a file its size. Without blocks, a write to memory would end the process on a full disk.

    Raises:
        OSError: if the disk has no room.
    """
    if sys.platform == "linux":
        os.posix_fallocate(file, 0, size)
        return
    zeros = bytes(1 << 20)
    for start in range(0, size, len(zeros)):
        os.pwrite(file, zeros[: size - start], start)


def open_own(path: Path) -> int:
    """Open a file for reading that this user alone can write.

    Raises:
        Damaged: if others can, or it is no regular file.
        FileNotFoundError: if there is none.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Damaged(f"{path.name} cannot be read ({error.strerror}).") from error
    found = os.fstat(file)
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        os.close(file)
        raise Damaged(f"{path.name} is not a file of this user alone.")
    return file
