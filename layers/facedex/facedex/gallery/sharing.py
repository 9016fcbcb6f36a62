"""The files of a gallery that the processes of one machine share.

One process, which holds a lock on a file, owns the gallery: it alone writes the codes. Others map
the same files and only read. What belongs together, the list of the segments and the state of the
database that they have, is in one small file. The owner replaces that file after every change to
the codes, never before, so that whatever a reader finds in the codes is at least as new.

The system calls that replace and open that file order the accesses to memory, on all processors.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from errno import ENOSPC
from hashlib import sha256
from io import BytesIO
from itertools import count
from pathlib import Path
from secrets import token_hex
from shutil import disk_usage
from threading import Lock
from typing import Any, Final

import numpy as np

from facedex.gallery.blocks import Block, Damaged, open_own
from facedex.gallery.coding import Coder
from facedex.gallery.resident import Resident
from facedex.gallery.scanning import Segment

_MAGIC: Final = b"facedex gallery 2\n"
# Bytes that must remain free on the disk, for the database.
_SPARE: Final = 1 << 30
_PREFIX: Final = "coder."


def use_directory(directory: Path) -> None:
    """Create the directory of all galleries, for its owner only.

    Raises:
        OSError: if it cannot be made, or belongs to another user.
    """
    directory.mkdir(mode=0o700, exist_ok=True)
    directory.chmod(0o700)


class Share:
    """A gallery's files, as one process uses them.

    Args:
        directory: of all galleries.
        name: of the gallery.

    Attributes:
        owner: whether this process owns the gallery.
    """

    def __init__(self, directory: Path, name: str) -> None:
        self.owner = False
        self._directory, self._name = directory, name
        self._lock_path, self._state = directory / f"{name}.lock", directory / f"{name}.state"
        self._lock: int | None = None
        self._numbers, self._generation = count(), token_hex(8)
        self._blocks: dict[str, Block] = {}
        self._known: tuple[int, int] | None = None  # which state was written or read last
        self._asked = 0
        self._working = Lock()

    def claim(self) -> bool:
        """Own the gallery unless another process does; return whether this process owns it."""
        with self._working:
            while not self.owner:
                lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    # The last owner may have removed the file meanwhile.
                    self.owner = _is_same(lock, self._lock_path)
                except BlockingIOError:
                    return False
                finally:
                    if not self.owner:
                        os.close(lock)
                if self.owner:
                    self._lock, self._known = lock, None
                    self._generation, self._numbers = token_hex(8), count()
        return True

    def allocate(self, size: int) -> Block:
        """Return the memory of a new file, or private memory after the end.

        Raises:
            OSError: if the disk has too little room, for example.
        """
        with self._working:
            if not self.owner:
                return Block.private(size)
            if disk_usage(self._directory).free < size + _SPARE:
                raise OSError(ENOSPC, os.strerror(ENOSPC))
            path = self._directory / f"{self._name}.{self._generation}.{next(self._numbers)}"
            block = self._blocks[path.name] = Block.create(path, size)
            return block

    def publish(self, resident: Resident, about: Mapping[str, str]) -> bool:
        """Let other processes use a gallery in its present state.

        Returns:
            False if it was condemned or has ended.

        Args:
            resident: its segments are allocated here.
            about: what others have to know of that state.

        Raises:
            Damaged: if another program has changed the description.
            OSError: if the disk has no room, for example.
        """
        with self._working:
            present, first = _identity(self._state), self._known is None
            if not self._owns() or not (first or present):
                return False
            if not first and present != self._known:
                raise Damaged("The description of a gallery was changed by another program.")
            kept = {str(segment.block.path): segment for segment in resident.segments}
            listed = [
                [Path(path).name, len(each.alive), each.used, each.removed, each.total]
                for path, each in kept.items()
            ]
            written = BytesIO()
            parts: dict[str, Any] = {
                "about": np.frombuffer(json.dumps([listed, dict(about)]).encode(), np.uint8),
            }
            parts["outliers"], parts["vectors"] = resident.listed_outliers()
            for parameter, each in resident.coder.parameters.items():
                parts[_PREFIX + parameter] = each
            np.savez(written, **parts)
            draft = self._state.with_suffix(".new")
            draft.unlink(missing_ok=True)
            file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(file, "wb") as opened:
                opened.write(_MAGIC + sha256(written.getvalue()).digest() + written.getvalue())
            draft.replace(self._state)
            self._known = _identity(self._state)
            names = {Path(path).name for path in kept}
            for name in self._blocks.keys() - names:
                self._blocks.pop(name).remove()
            if first:  # what earlier owners left
                self._remove_others(names | {self._state.name, self._lock_path.name})
                self.asked()
        return True

    def attach(self, last: Resident | None = None) -> tuple[Resident, dict[str, str]] | None:
        """Return the gallery that another process owns; None if there is none.

        Args:
            last: the gallery as it was attached before.

        Raises:
            Damaged: if the files are not what the owner wrote, or are being written.
        """
        known = _identity(self._state)
        try:
            file = open_own(self._state)
        except FileNotFoundError:
            return None
        with os.fdopen(file, "rb") as opened:
            data = opened.read()
        head, digest, written = _split(data)
        if head != _MAGIC or sha256(written).digest() != digest:
            raise Damaged("The description of a gallery is damaged.")
        parts = np.load(BytesIO(written), allow_pickle=False)
        listed, about = json.loads(parts["about"].tobytes())
        coder = Coder.restored(
            {
                name.removeprefix(_PREFIX): parts[name]
                for name in parts.files
                if name.startswith(_PREFIX)
            }
        )
        mapped = {each.block.path: each.block for each in last.segments} if last else {}
        segments = [self._segment(coder, mapped, *each) for each in listed]
        self._known = known
        return Resident.shared(coder, segments, (parts["outliers"], parts["vectors"])), about

    @property
    def changed(self) -> bool:
        """Whether the state of the gallery is another than this process wrote or read last."""
        return _identity(self._state) != self._known

    def ask(self) -> None:
        """Ask the owner to bring the gallery up to date, if that is possible."""
        with suppress(OSError):
            os.utime(self._lock_path)

    def asked(self) -> bool:
        """Return whether another process has asked since the last call."""
        with suppress(OSError):
            before, self._asked = self._asked, self._lock_path.stat().st_mtime_ns
            return before != self._asked
        return False

    def condemn(self) -> None:
        """Let the gallery be made again, because its files are damaged.

        Raises:
            OSError: if a file cannot be removed.
        """
        self._state.unlink(missing_ok=True)
        self.ask()

    def end(self) -> None:
        """Remove the files, if this process owns them, and give the ownership up.

        Raises:
            OSError: if a file cannot be removed.
        """
        with self._working:
            try:
                if self._owns():
                    self._remove_others(set())
                for block in self._blocks.values():
                    block.remove()
            finally:
                # Otherwise, no process could own the gallery.
                self._blocks.clear()
                self.owner = False
                if self._lock is not None:
                    os.close(self._lock)
                    self._lock = None

    def _owns(self) -> bool:
        """Return whether this process owns the gallery, and its lock was not removed."""
        return self.owner and self._lock is not None and _is_same(self._lock, self._lock_path)

    def _segment(
        self,
        coder: Coder,
        mapped: Mapping[Path | None, Block],
        name: str,
        rows: int,
        used: int,
        removed: int,
        total: int,
    ) -> Segment:
        if not re.fullmatch(re.escape(self._name) + r"\.[0-9a-f]{16}\.[0-9]+", name):
            raise Damaged("The description of a gallery names a foreign file.")
        path = self._directory / name
        block = mapped.get(path)
        known = block is not None
        try:
            block = block or Block.open(path, Segment.bytes_of(coder, rows))
        except FileNotFoundError:
            raise Damaged(f"{name} is missing.") from None
        segment = Segment.shared(coder, rows, block, used, removed)
        if not known and segment.sum_of(slice(0, used)) != total:
            raise Damaged(f"{name} is damaged, or being written.")
        return segment

    def _remove_others(self, kept: set[str]) -> None:
        failure: OSError | None = None
        for path in self._directory.glob(f"{self._name}.*"):
            if path.name not in kept:
                try:
                    path.unlink(missing_ok=True)
                except OSError as error:  # as many as possible are removed
                    failure = error
        if failure:
            raise failure


def _split(data: bytes) -> tuple[bytes, bytes, bytes]:
    middle = len(_MAGIC)
    return data[:middle], data[middle : middle + 32], data[middle + 32 :]


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns


def _is_same(file: int, path: Path) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(file), path.stat())
    return False


__all__ = ["Damaged", "Share", "use_directory"]
