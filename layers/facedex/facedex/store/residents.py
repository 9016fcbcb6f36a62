"""The copies of galleries in the memory of this process, and the thread that keeps them current.

A search never waits for a copy: while a gallery has none, or none that is current, SQL answers. The
thread reads copies from Postgres, brings them up to date and drops those that are not needed.
"""

from __future__ import annotations

import logging
from collections import Counter, OrderedDict
from dataclasses import dataclass
from threading import Condition, Thread
from time import monotonic
from typing import Final
from weakref import ref

import psycopg

from facedex.store import copies
from facedex.store.collections import Collection
from facedex.store.copies import Copy, Kind
from facedex.store.database import Connection, Database
from facedex.store.store_errors import DatabaseUnavailable

# With fewer vectors, SQL takes half a millisecond longer at most (1.0 and 0.5 ms for 5,000).
_SMALLEST: Final = 5000
# Seconds after which a gallery that was too small, too large or unsuitable is looked at again.
_RETRY: Final = 30.0
# Seconds after which a copy is brought up to date, even if no search uses it.
_REFRESH: Final = 30.0
# Seconds between refreshes of a copy that searches use while its gallery changes.
_BETWEEN: Final = 0.25
# Seconds without a refresh, because the database does not answer, after which a copy is dropped.
_ABANDON: Final = 120.0
# Memory is reserved for a tenth more vectors than a gallery has.
_GROWTH: Final = 1.1
# Seconds after which the thread ends if there is no copy; the next search starts it again.
_IDLE: Final = 60.0

_logger: Final = logging.getLogger("facedex")


@dataclass(slots=True)
class _Entry:
    """A copy and its use. Times are of the monotonic clock."""

    collection: Collection
    kind: Kind
    copy: Copy
    used: float
    refreshed: float


_Key = tuple[int, bool, str]


class Residents:
    """The copies of one process, shared by its threads.

    Args:
        database: where the galleries are.
        memory: maximum memory of all copies, in bytes.
        smallest: number of vectors from which a gallery has a copy.

    Attributes:
        events: numbers of events: "answers" from memory, "widenings" of their candidates,
            "fallbacks" to SQL and their reasons, "loads", "refreshes", "evictions", and galleries
            that were "too large".
    """

    def __init__(self, database: Database, memory: int, *, smallest: int = _SMALLEST) -> None:
        self._database = ref(database.whole)
        self._memory, self._smallest = memory, smallest
        self.events: Counter[str] = Counter()
        self._logged: set[str] = set()
        self._changed = Condition()
        self._entries: OrderedDict[_Key, _Entry] = OrderedDict()  # least recently used first
        self._wanted: OrderedDict[_Key, tuple[Collection, Kind]] = OrderedDict()
        self._due: set[_Key] = set()
        self._refused: dict[_Key, float] = {}  # until when
        self._off_until = 0.0
        self._thread: Thread | None = None
        self._closed = False

    @property
    def resident_bytes(self) -> int:
        """The memory of all copies, in bytes."""
        with self._changed:
            return sum(entry.copy.resident.nbytes for entry in self._entries.values())

    @property
    def resident_vectors(self) -> int:
        """The number of vectors in all copies."""
        with self._changed:
            return sum(entry.copy.resident.size for entry in self._entries.values())

    def work(self, connection: Connection, seconds: float) -> None:
        """Use the time after a search for the copies; here, a thread keeps them current.

        Args:
            connection: that of the search.
            seconds: how long SQL took; 0 if a copy answered.
        """

    def find(self, collection: Collection, kind: Kind) -> Copy | None:
        """Return the copy of a gallery; if there is none, begin to make one unless it is small."""
        key, now = _key(collection, kind), monotonic()
        with self._changed:
            if self._closed or now < self._off_until:
                return None
            entry = self._entries.get(key)
            if entry:
                entry.used = now
                self._entries.move_to_end(key)
                return entry.copy
            if key not in self._wanted and now >= self._refused.get(key, 0.0):
                self._wanted[key] = (collection, kind)
                self._wake()
            return None

    def note_changes(self, collection: Collection, kind: Kind) -> None:
        """Queue a refresh, because a search found changes that the copy lacks."""
        with self._changed:
            self._due.add(_key(collection, kind))
            self._wake()

    def drop(self, collection: Collection, kind: Kind) -> None:
        """Drop a copy that cannot be used any more; the next search begins to make a new one."""
        with self._changed:
            self._entries.pop(_key(collection, kind), None)

    def fall_back(self, reason: str, error: Exception | None = None) -> None:
        """Count an answer from SQL although there is a copy; log the reason the first time.

        Args:
            reason: the beginning of the log's line.
            error: the error that caused it. Its traceback is logged, unless the database raised it:
                those are known by their names, and their texts may contain vectors.
        """
        self.events["fallbacks"] += 1
        self.events[f"fallbacks: {reason}"] += 1
        if reason not in self._logged:
            self._logged.add(reason)
            name = "" if error is None else f" ({type(error).__name__})"
            _logger.warning(
                "A search was answered by SQL instead of the copy in memory: %s%s. Further cases"
                " are counted and not logged.",
                reason,
                name,
                exc_info=None if isinstance(error, psycopg.Error) else error,
            )

    def turn_off(self) -> None:
        """Use no copies for a while, because the database or the library does not support them."""
        with self._changed:
            self._off_until = monotonic() + 2 * _RETRY
            self._entries.clear()
            self._wanted.clear()

    def close(self) -> None:
        """Drop all copies and end the thread."""
        with self._changed:
            self._closed = True
            self._entries.clear()
            self._changed.notify_all()
            thread = self._thread
        if thread:
            thread.join(1.0)

    def settle(self, seconds: float = 30.0) -> bool:
        """Wait until nothing is to be done; return whether that is so."""
        with self._changed:
            return self._changed.wait_for(
                lambda: not self._wanted and not self._due, timeout=seconds
            )

    def _wake(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = Thread(target=self._run, name="galleries", daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def _run(self) -> None:
        idle_since = monotonic()
        while True:
            with self._changed:
                if not self._wanted:
                    self._changed.wait(self._pause())
                if self._closed:
                    return
                if self._entries or self._wanted:
                    idle_since = monotonic()
                elif monotonic() - idle_since > _IDLE:
                    self._thread = None
                    return
                wanted = next(iter(self._wanted.items()), None)
                due = self._due_entries()
            database = self._database()
            if database is None or database.closed:
                return
            for key, entry in due:
                self._refresh(database, key, entry)
            if wanted:
                self._make(database, wanted[0], *wanted[1])
            del database
            with self._changed:
                self._changed.notify_all()

    def _pause(self) -> float:
        """Return the seconds until a copy has to be refreshed, at most a second."""
        now = monotonic()
        times = [self._due_at(key, entry) - now for key, entry in self._entries.items()]
        return max(0.0, min([1.0, *times]))

    def _due_entries(self) -> list[tuple[_Key, _Entry]]:
        now = monotonic()
        self._due &= self._entries.keys()
        return [each for each in self._entries.items() if self._due_at(*each) <= now]

    def _due_at(self, key: _Key, entry: _Entry) -> float:
        return entry.refreshed + (_BETWEEN if key in self._due else _REFRESH)

    def _refresh(self, database: Database, key: _Key, entry: _Entry) -> None:
        try:
            kept = copies.refresh(database, entry.kind, entry.collection, entry.copy)
        except DatabaseUnavailable:
            kept = monotonic() - entry.refreshed < _ABANDON
            if kept:
                return
        except Exception as error:  # a copy in doubt is dropped, whatever the reason
            self.fall_back("the copy could not be brought up to date", error)
            kept = False
        self._note_refresh(key, entry, kept=kept)

    def _note_refresh(self, key: _Key, entry: _Entry, *, kept: bool) -> None:
        with self._changed:
            self._due.discard(key)
            self.events["refreshes"] += 1
            entry.refreshed = monotonic()
            if not kept and self._entries.get(key) is entry:
                del self._entries[key]
        self._evict(self._memory)  # it may have grown

    def _make(self, database: Database, key: _Key, collection: Collection, kind: Kind) -> None:
        copy = None
        try:
            copy = self._load(database, collection, kind)
        except DatabaseUnavailable:
            pass
        except Exception as error:  # SQL answers, whatever the reason
            self.fall_back("the copy could not be made", error)
        self._keep(key, collection, kind, copy)

    def _keep(self, key: _Key, collection: Collection, kind: Kind, copy: Copy | None) -> None:
        """Let searches use a new copy, or make none for a while."""
        now = monotonic()
        with self._changed:
            self._wanted.pop(key, None)
            if copy and not self._closed:
                self.events["loads"] += 1
                self._entries[key] = _Entry(collection, kind, copy, now, now)
            else:
                self._refused[key] = now + _RETRY
                self._refused = {k: end for k, end in self._refused.items() if end > now}

    def _load(self, database: Database, collection: Collection, kind: Kind) -> Copy | None:
        with database.reading() as connection:
            expected = self._make_room(connection, collection, kind)
        copy = copies.load(database, kind, collection, expected) if expected else None
        return copy if copy and copy.resident.usable else None

    def _make_room(self, connection: Connection, collection: Collection, kind: Kind) -> int:
        """Return the number of vectors that a copy will have; 0 if the gallery gets none."""
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
            self.events["too large"] += 1
            self.fall_back("the gallery does not fit into FACEDEX_GALLERY_MEMORY")
            return 0
        self._evict(self._memory - needed)
        return expected

    def _evict(self, room: int) -> None:
        """Drop the least recently used copies until the others have at most that many bytes."""
        with self._changed:
            while self._entries and self._bytes() > room:
                self._entries.popitem(last=False)
                self.events["evictions"] += 1

    def _bytes(self) -> int:
        return sum(entry.copy.resident.nbytes for entry in self._entries.values())


def _key(collection: Collection, kind: Kind) -> _Key:
    return collection.key, kind.of_users, collection.model_version
