"""How a process obtains a copy of a gallery: from another process or from Postgres."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from facedex.gallery.blocks import Damaged
from facedex.store import copies, copy_loading
from facedex.store.collections import Collection
from facedex.store.copies import Copy, Kind
from facedex.store.database import Connection, Database
from facedex.store.fall_backs import Events, FallBacks
from facedex.store.shared_copies import SharedCopy

# Memory is reserved for a tenth more vectors than a gallery has.
_GROWTH: Final = 1.1
DAMAGED: Final = "a file of a copy is damaged"


class Source:
    """Where copies come from.

    Args:
        memory: maximum memory of all copies that this process makes, in bytes.
        smallest: number of vectors from which a gallery has a copy.
        directory: of the copies that processes share; None if they share none.
        make_room: lets the other copies take at most that many bytes.
        fall_back: reports why there is no copy.
        events: numbers of events.
    """

    def __init__(
        self,
        memory: int,
        smallest: int,
        directory: Path | None,
        make_room: Callable[[int], None],
        fall_back: FallBacks,
        events: Events,
    ) -> None:
        self._memory, self._smallest, self._directory = memory, smallest, directory
        self._make_room, self._fall_back, self._events = make_room, fall_back, events

    def obtain(
        self,
        database: Database,
        collection: Collection,
        kind: Kind,
        shared: SharedCopy | None = None,
    ) -> tuple[Copy | None, SharedCopy | None]:
        """Return a copy, and the share that it belongs to if there is one.

        Args:
            shared: the share, if this process owns it already.

        Raises:
            DatabaseUnavailable: if the database does not answer.
        """
        if self._directory:
            try:
                shared = shared or SharedCopy(self._directory, collection, kind)
                return self._obtain_shared(database, collection, kind, shared), shared
            except OSError as error:
                self._fall_back("a copy could not be shared with other processes", error)
        return self._load(database, collection, kind, None), None

    def _obtain_shared(
        self, database: Database, collection: Collection, kind: Kind, shared: SharedCopy
    ) -> Copy | None:
        try:
            if not shared.claim():
                copy = self.attach(shared)
                if copy:
                    self._events.add("attachments")
                return copy
            copy = self._load(database, collection, kind, shared)
            return copy if copy and shared.publish(copy) else None
        except BaseException:
            # Otherwise, no process could own the copy.
            shared.end()
            raise

    def attach(self, shared: SharedCopy, last: Copy | None = None) -> Copy | None:
        """Return the copy of another process in its present state; None if there is none.

        Args:
            last: an earlier state.
        """
        try:
            return shared.attach(last)
        except Damaged as error:
            self._fall_back(DAMAGED, error)
            shared.condemn()
            return None

    def expected(self, connection: Connection, collection: Collection, kind: Kind) -> int:
        """Make room for a copy; return its number of vectors, 0 if there is to be none."""
        from facedex.gallery.resident import memory_of

        expected = copies.count(connection, kind, collection.key)
        if expected < self._smallest:
            return 0
        row = connection.execute(
            f"SELECT vector_dims(vector) AS dimension FROM {kind.table}"
            " WHERE collection_key = %s AND vector IS NOT NULL LIMIT 1",
            (collection.key,),
        ).fetchone()
        if row is None:
            return 0
        needed = memory_of(int(expected * _GROWTH), row.dimension)
        if needed > self._memory:
            self._events.add("too_large")
            self._fall_back("the gallery does not fit into FACEDEX_GALLERY_MEMORY")
            return 0
        self._make_room(self._memory - needed)
        return expected

    def _load(
        self, database: Database, collection: Collection, kind: Kind, shared: SharedCopy | None
    ) -> Copy | None:
        with database.reading() as connection:
            expected = self.expected(connection, collection, kind)
        if not expected:
            return None
        allocate = shared.allocate if shared else None
        copy = copy_loading.load(database, kind, collection, expected, allocate)
        if copy:
            self._events.add("loads")
        return copy if copy and copy.resident.usable else None
