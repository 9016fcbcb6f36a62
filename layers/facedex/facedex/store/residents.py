"""The copies of galleries in the memory of this process, and the thread that keeps them current.

A search never waits for a copy: while a gallery has none, or none that is current, SQL answers. The
thread reads copies from Postgres, brings them up to date and drops those that are not needed.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from threading import Condition, Thread
from time import monotonic
from typing import Final
from weakref import ref

from facedex.gallery.blocks import Damaged
from facedex.store import copies
from facedex.store.collections import Collection
from facedex.store.copies import Copy, Kind
from facedex.store.database import Connection, Database
from facedex.store.fall_backs import Events, FallBacks
from facedex.store.obtaining import DAMAGED, Source
from facedex.store.shared_copies import SharedCopy
from facedex.store.store_errors import DatabaseUnavailable

# With fewer vectors, SQL takes half a millisecond longer at most (1.0 and 0.5 ms for 5,000).
_SMALLEST: Final = 5000
# Seconds after which a gallery that was too small, too large or unsuitable is looked at again.
_RETRY: Final = 30.0
# Seconds after which a copy is brought up to date, even if no search uses it.
_REFRESH: Final = 30.0
# Seconds between refreshes of a copy that searches use while its gallery changes.
_BETWEEN: Final = 0.25
# Seconds between looks at the state of a copy that another process keeps.
_LOOK: Final = 1.0
# Seconds after which such a copy is given up if no search uses it.
_UNUSED: Final = 600.0
# Seconds after which a copy that another process is making is looked for.
_SOON: Final = 0.25
# Seconds without a refresh, because the database does not answer, after which a copy is dropped.
_ABANDON: Final = 120.0
# Seconds after which the thread ends if there is no copy; the next search starts it again.
_IDLE: Final = 60.0


@dataclass(slots=True)
class _Entry:
    """A copy and its use. Times are of the monotonic clock."""

    collection: Collection
    kind: Kind
    copy: Copy
    used: float
    refreshed: float
    shared: SharedCopy | None = None
    owned: bool = True  # whether this process made the copy and keeps it current


_Key = tuple[int, bool, str]


class Residents:
    """The copies of one process, shared by its threads.

    Args:
        database: where the galleries are.
        memory: maximum memory of all copies, in bytes.
        smallest: number of vectors from which a gallery has a copy.
        directory: where the processes of this machine share copies; None for copies of this
            process alone.

    Attributes:
        events: numbers of events: "answers" from memory, "widenings" of their candidates,
            "fallbacks" to SQL and their reasons, "loads", "attachments" of copies of other
            processes, "refreshes", "evictions", and galleries that were "too_large".
        fall_back: reports an answer from SQL although there is a copy.
    """

    def __init__(
        self,
        database: Database,
        memory: int,
        *,
        smallest: int = _SMALLEST,
        directory: Path | None = None,
    ) -> None:
        self._database = ref(database.whole)
        self._memory = memory
        self.events = Events()
        self.fall_back = FallBacks(self.events)
        self._changed = Condition()
        self._entries: OrderedDict[_Key, _Entry] = OrderedDict()  # least recently used first
        self._wanted: OrderedDict[_Key, tuple[Collection, Kind]] = OrderedDict()
        self._due: set[_Key] = set()
        self._refused: dict[_Key, float] = {}  # until when
        self._off_until = 0.0
        self._thread: Thread | None = None
        self._closed = False
        self._source = Source(memory, smallest, directory, self._evict, self.fall_back, self.events)

    @property
    def resident_bytes(self) -> int:
        """The memory of the copies that this process made, in bytes."""
        with self._changed:
            return self._bytes()

    @property
    def resident_vectors(self) -> int:
        """The number of vectors in the copies that this process made."""
        with self._changed:
            return sum(each.copy.resident.size for each in self._entries.values() if each.owned)

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
            if now >= self._refused.get(key, 0.0):
                self._wanted.setdefault(key, (collection, kind))
                self._wake()
            return None

    def note_changes(self, collection: Collection, kind: Kind) -> None:
        """Queue a refresh, because a search found changes that the copy lacks."""
        with self._changed:
            self._due.add(_key(collection, kind))
            self._wake()

    def drop(self, collection: Collection, kind: Kind, *, damaged: bool = False) -> None:
        """Drop a copy that cannot be used any more; the next search begins to make a new one.

        Args:
            damaged: whether its files are, so that other processes must not use them either.
        """
        with self._changed:
            entry = self._entries.get(_key(collection, kind))
            if entry and entry.shared and damaged:
                entry.shared.condemn()
            self._remove(_key(collection, kind))

    def turn_off(self) -> None:
        """Use no copies for a while, because the database or the library does not support them."""
        with self._changed:
            self._off_until = monotonic() + 2 * _RETRY
            self._clear()
            self._wanted.clear()

    def close(self) -> None:
        """Drop all copies and end the thread."""
        with self._changed:
            self._closed = True
            self._clear()
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
            thread = Thread(target=self._run, name="galleries", daemon=True)
            thread.start()  # fails without memory; the next search tries again
            self._thread = thread
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
        if entry.owned and entry.shared and entry.shared.asked():
            self._due.add(key)
            entry.used = monotonic()
        if key in self._due:
            return entry.refreshed + _BETWEEN
        return entry.refreshed + (_REFRESH if entry.owned else _LOOK)

    def _refresh(self, database: Database, key: _Key, entry: _Entry) -> None:
        if not entry.owned:
            self._look(database, key, entry)
            return
        try:
            if key not in self._due:
                for segment in entry.copy.resident.segments:
                    segment.require_undamaged()
            kept = copies.refresh(database, entry.kind, entry.collection, entry.copy)
            if kept and entry.shared:
                kept = entry.shared.publish(entry.copy)
        except DatabaseUnavailable:
            kept = monotonic() - entry.refreshed < _ABANDON
            if kept:
                return
        except Damaged as error:
            self.fall_back(DAMAGED, error)
            kept = False
        except Exception as error:  # a copy in doubt is dropped, whatever the reason
            self.fall_back("the copy could not be brought up to date", error)
            kept = False
        self._note_refresh(key, entry, kept=kept)

    def _note_refresh(self, key: _Key, entry: _Entry, *, kept: bool) -> None:
        with self._changed:
            self._due.discard(key)
            self.events.add("refreshes")
            entry.refreshed = monotonic()
            if not kept and self._entries.get(key) is entry:
                self._remove(key)
        self._evict(self._memory)  # it may have grown

    def _look(self, database: Database, key: _Key, entry: _Entry) -> None:
        """Use the present state of a copy of another process; make the copy if that has ended."""
        assert entry.shared
        now, copy = monotonic(), None
        try:
            if now - entry.used < _UNUSED:
                if entry.shared.claim():
                    self._make(database, key, entry.collection, entry.kind, entry.shared)
                    return
                copy = self._source.attach(entry.shared, entry.copy)
        except Exception as error:  # a copy in doubt is dropped, whatever the reason
            self.fall_back("the copy could not be brought up to date", error)
        with self._changed:
            if key in self._due:
                entry.shared.ask()
            self._due.discard(key)
            entry.refreshed = now
            if self._entries.get(key) is not entry:
                return
            if copy:
                entry.copy = copy
            else:
                self._remove(key)

    def _make(
        self,
        database: Database,
        key: _Key,
        collection: Collection,
        kind: Kind,
        shared: SharedCopy | None = None,
    ) -> None:
        copy = None
        try:
            copy, shared = self._source.obtain(database, collection, kind, shared)
        except DatabaseUnavailable:
            pass
        except Exception as error:  # SQL answers, whatever the reason
            self.fall_back("the copy could not be made", error)
        self._keep(key, collection, kind, copy, shared)

    def _keep(
        self,
        key: _Key,
        collection: Collection,
        kind: Kind,
        copy: Copy | None,
        shared: SharedCopy | None = None,
    ) -> None:
        """Let searches use a new copy, or make none for a while."""
        now = monotonic()
        with self._changed:
            self._wanted.pop(key, None)
            if copy and not self._closed:
                owned = shared is None or shared.owned
                self._entries[key] = _Entry(collection, kind, copy, now, now, shared, owned)
                return
            self._remove(key)
            # The owner may be making the copy.
            retry = _RETRY if shared is None or shared.owned else _SOON
            self._refused[key] = now + retry
            self._refused = {k: end for k, end in self._refused.items() if end > now}
        if shared:
            shared.end()

    def _evict(self, room: int) -> None:
        """Drop the least recently used copies until the others have at most that many bytes."""
        with self._changed:
            while self._bytes() > room:
                self._remove(next(key for key, entry in self._entries.items() if entry.owned))
                self.events.add("evictions")

    def _bytes(self) -> int:
        return sum(each.copy.resident.nbytes for each in self._entries.values() if each.owned)

    def _remove(self, key: _Key) -> None:
        entry = self._entries.pop(key, None)
        if entry and entry.shared:
            entry.shared.end()

    def _clear(self) -> None:
        for key in list(self._entries):
            self._remove(key)


def _key(collection: Collection, kind: Kind) -> _Key:
    return collection.key, kind.of_users, collection.model_version
