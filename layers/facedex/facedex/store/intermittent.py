"""The copies of galleries in a process that is frozen between requests, as functions on Lambda are.

Nothing may be in progress when a request has been answered: the process may stop for minutes, or
for good. A transaction would be held open meanwhile, and its connection may be dead afterwards. A
copy is therefore read in pages, after searches that SQL has answered, for as long as SQL took.

Each page is a statement of its own, at a later snapshot than the one before. The copy gets the
version of a snapshot from before the first page. That is sound, because a row is found by its id,
which never changes: a vector that no page has as it was at that version was added, changed or
removed since, so the log names it, and every search compares it exactly.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from threading import Lock
from time import perf_counter, time
from typing import TYPE_CHECKING, Final
from uuid import UUID

from facedex.store import copies
from facedex.store.collections import Collection
from facedex.store.copies import Copy, Kind, Version
from facedex.store.database import Connection
from facedex.store.residents import Residents

if TYPE_CHECKING:
    from facedex.gallery.resident import Resident

# With fewer vectors, a copy saves less than 6 ms of each search.
_SMALLEST: Final = 20_000
# Searches of a gallery that SQL answers before a copy is begun: many functions end after a few.
_WARM: Final = 3
# Rows of a page. They are in as many blocks of the table, since ids are random; if Postgres has to
# read these from the disk, a page takes seconds.
_PAGE: Final = 4096
# Rows that are encoded together. The code is fitted to the first of these.
_SEGMENT: Final = 16_384
# Pages are ranges of ids, which are random. A page with so many times as many rows is not read.
_UNEVEN: Final = 4
_IDS: Final = 1 << 128
# Seconds of reading after a search, at most; SQL may take longer.
_LONGEST: Final = 1.0
# Seconds after which a copy is brought up to date: if a search found changes, and otherwise.
_CHANGED: Final = 1.0
_REFRESH: Final = 60.0
# Seconds after which a copy that is not complete is left, because searches are rare. It may have
# codes of faces that were deleted meanwhile.
_PATIENCE: Final = 600.0


@dataclass(slots=True)
class _Draft:
    """A copy of which some pages have been read.

    Attributes:
        key: as in :class:`Residents`.
        begun: when, by the wall clock.
        pages: their number.
        read: how many have been read.
        rows: rows that have been read and not encoded.
    """

    key: tuple[int, bool, str]
    collection: Collection
    kind: Kind
    expected: int
    version: Version
    begun: float
    pages: int
    read: int = 0
    rows: list[bytes] = field(default_factory=list)
    resident: Resident | None = None


class IntermittentResidents(Residents):
    """The copies of such a process. It has no thread: searches do the work.

    Times are of the wall clock, as the monotonic one may stop with the process. They decide when
    something is done, and never what is answered.

    Args:
        memory: maximum memory of all copies, in bytes.
        smallest: number of vectors from which a gallery has a copy.
    """

    def __init__(self, memory: int, *, smallest: int = _SMALLEST) -> None:
        super().__init__(memory, smallest=smallest)
        self._asked: Counter[tuple[int, Kind]] = Counter()  # searches that found no copy
        self._refreshed: dict[int, float] = {}  # when, by the id of the copy
        self._draft: _Draft | None = None
        self._working = Lock()

    def find(self, collection: Collection, kind: Kind) -> Copy | None:
        """Return the copy of a gallery, if there is one."""
        copy = super().find(collection, kind)
        if copy is None:
            self._asked[collection.key, kind] += 1
        return copy

    def work(self, connection: Connection, seconds: float) -> None:
        """Bring copies up to date, and read pages for as long as SQL took.

        Args:
            connection: that of the search, used only if it is not in a transaction.
            seconds: how long SQL took; 0 if a copy answered.
        """
        if not connection.autocommit or not self._working.acquire(blocking=False):
            return
        try:
            if self._draft and not 0 <= time() - self._draft.begun < _PATIENCE:
                self._give_up()
            self._bring_up_to_date(connection)
            if seconds:
                self._read_pages(connection, perf_counter() + min(seconds, _LONGEST))
        except Exception as error:  # the search has been answered, whatever the reason
            self.fall_back("the copy could not be read", error)
            self._give_up()
        finally:
            self._working.release()

    def close(self) -> None:
        """Drop all copies."""
        self._draft = None
        super().close()

    def _wake(self) -> None:
        """Start no thread."""

    def _bring_up_to_date(self, connection: Connection) -> None:
        now = time()
        with self._changed:
            entries = list(self._entries.items())
            self._refreshed = {
                id(entry.copy): self._refreshed.get(id(entry.copy), now) for _, entry in entries
            }
        for key, entry in entries:
            wait = _CHANGED if key in self._due else _REFRESH
            # Also if the clock has been set back.
            if not 0 <= now - self._refreshed[id(entry.copy)] < wait:
                self._refreshed[id(entry.copy)] = now
                kept = False  # a copy in doubt is dropped
                try:
                    kept = copies.bring_up_to_date(
                        connection, entry.kind, entry.collection, entry.copy
                    )
                finally:
                    self._note_refresh(key, entry, kept=kept)

    def _read_pages(self, connection: Connection, end: float) -> None:
        """Read at least one page of the copy that is being made, or of the next one."""
        if self._draft is None:
            with self._changed:
                wanted = list(self._wanted.items())
            for key, (collection, kind) in wanted:
                if self._asked[collection.key, kind] >= _WARM:
                    self._begin(connection, key, collection, kind)
                    break
        while self._draft and self._read_page(connection) and perf_counter() < end:
            pass

    def _begin(
        self,
        connection: Connection,
        key: tuple[int, bool, str],
        collection: Collection,
        kind: Kind,
    ) -> None:
        self._keep(key, collection, kind, None)  # if it fails, not again at once
        expected = self._source.expected(connection, collection, kind)
        version = copies.current_version(connection, collection) if expected else None
        if version:
            pages = -(-expected // _PAGE)
            self._draft = _Draft(key, collection, kind, expected, version, time(), pages)

    def _read_page(self, connection: Connection) -> bool:
        """Read the next page; return whether the copy lacks further ones."""
        draft = self._draft
        assert draft
        rows = _page(connection, draft)
        draft.rows += rows
        draft.read += 1
        complete = draft.read == draft.pages
        if len(rows) == _UNEVEN * _PAGE or not _encode(draft, everything=complete):
            self._give_up()
        elif complete:
            self._complete(connection, draft)
        return bool(self._draft)

    def _complete(self, connection: Connection, draft: _Draft) -> None:
        copy = None
        if draft.resident:
            copy = Copy(draft.resident, draft.version, draft.collection.model_version)
            if not copies.bring_up_to_date(connection, draft.kind, draft.collection, copy):
                copy = None
        if copy:
            self.events.add("loads")
        self._draft = None
        del self._asked[draft.collection.key, draft.kind]
        self._keep(draft.key, draft.collection, draft.kind, copy)

    def _give_up(self) -> None:
        """Leave a copy that cannot be read, and begin no other for a while."""
        draft, self._draft = self._draft, None
        if draft:
            self._keep(draft.key, draft.collection, draft.kind, None)


def _encode(draft: _Draft, *, everything: bool) -> bool:
    """Encode the rows that have been read, if they are enough; return whether the code suits."""
    from facedex.gallery.resident import Resident

    if not draft.rows or (len(draft.rows) < _SEGMENT and not everything):
        return True
    ids, vectors = copies.parse(draft.rows)
    draft.rows = []
    if draft.resident is None:
        draft.resident = Resident(vectors, draft.expected)
    if vectors.shape[1] != draft.resident.coder.dimension:
        return False
    draft.resident.load(ids, vectors)
    return draft.resident.usable


def _page(connection: Connection, draft: _Draft) -> list[bytes]:
    """Return the next rows, each an id and a vector in Postgres's binary format.

    They are not sorted: Postgres, which has no statistics of ids, would sort all remaining rows.
    """
    kind = draft.kind
    low, high = ((draft.read + each) * _IDS // draft.pages for each in (0, 1))
    with connection.cursor(binary=True) as cursor:
        rows = cursor.execute(
            f"SELECT uuid_send({kind.key}) || halfvec_send(vector) AS data FROM {kind.table}"
            f" WHERE collection_key = {draft.collection.key:d} AND vector IS NOT NULL"
            f" AND {kind.key} BETWEEN %(low)s AND %(high)s LIMIT {_UNEVEN * _PAGE}",
            {"low": UUID(int=low), "high": UUID(int=high - 1)},
        ).fetchall()
    return [bytes(row.data) for row in rows]
