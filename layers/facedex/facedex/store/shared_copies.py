"""Copies of galleries that the processes of one machine share.

One process owns a copy: it reads the gallery from Postgres and brings the copy up to date. The
others map its memory. Answers do not depend on the owner: the statement that answers a search adds
what changed since the version that the searching process read before its scan.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING, Final

from facedex.gallery.blocks import Damaged
from facedex.store.collections import Collection
from facedex.store.copies import Copy, Kind, Version

if TYPE_CHECKING:
    from facedex.gallery.blocks import Block

# A description that does not fit the codes is read again: the owner may be changing them.
_ATTEMPTS: Final = 8
_PAUSE: Final = 0.15


class SharedCopy:
    """A copy of a gallery, as one process uses it.

    Args:
        directory: of all shared copies.
        collection, kind: the gallery.
    """

    def __init__(self, directory: Path, collection: Collection, kind: Kind) -> None:
        from facedex.gallery.sharing import Share, use_directory

        use_directory(directory)
        model = sha256(collection.model_version.encode()).hexdigest()[:12]
        self._share = Share(directory, f"{collection.key}-{kind.table}-{model}")
        self._model_version = collection.model_version

    @property
    def owned(self) -> bool:
        """Whether this process writes the copy."""
        return self._share.owner

    def claim(self) -> bool:
        """Own the copy unless another process does; return whether this process owns it."""
        return self._share.claim()

    def allocate(self, size: int) -> Block:
        """Return memory for codes that other processes can map."""
        return self._share.allocate(size)

    def publish(self, copy: Copy) -> bool:
        """Let others use the copy as it is; return False if one found its files damaged."""
        about = {"snapshot": copy.version.snapshot, "server": copy.version.server}
        return self._share.publish(copy.resident, about)

    def attach(self, last: Copy | None = None) -> Copy | None:
        """Return the copy of another process in its present state; None if there is none.

        Args:
            last: the copy as it was attached before.

        Raises:
            Damaged: if the files are not what the owner wrote.
        """
        if last and not self._share.changed:
            return last
        for attempt in range(_ATTEMPTS):
            try:
                found = self._share.attach(last.resident if last else None)
            except Damaged:
                if attempt == _ATTEMPTS - 1:
                    raise
                sleep(_PAUSE)
            else:
                break
        if found is None:
            return None
        resident, about = found
        return Copy(resident, Version(about["snapshot"], about["server"]), self._model_version)

    def ask(self) -> None:
        """Ask the owner to bring the copy up to date."""
        self._share.ask()

    def asked(self) -> bool:
        """Return whether another process has asked since the last call."""
        return self._share.asked()

    def condemn(self) -> None:
        """Let the owner make the copy again, because its files are damaged.

        Raises:
            OSError: if a file cannot be removed.
        """
        self._share.condemn()

    def end(self) -> None:
        """Use the copy no more; remove its files if this process owns it.

        Raises:
            OSError: if a file cannot be removed.
        """
        self._share.end()
