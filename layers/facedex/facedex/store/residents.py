"""The copies of galleries in the memory of this process, and the galleries that lack one.

A search never waits for a copy: while a gallery has none, or none that is current, SQL answers.
When copies are read and brought up to date depends on the process: see ``continuous.py`` for those
that run all the time, and ``intermittent.py`` for those that are frozen between requests.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Condition
from time import monotonic
from typing import Final

from facedex.store.collections import Collection
from facedex.store.copies import Copy, Kind
from facedex.store.database import Connection
from facedex.store.fall_backs import Events, FallBacks
from facedex.store.obtaining import Source
from facedex.store.shared_copies import SharedCopy

# Seconds after which a gallery that was too small, too large or unsuitable is looked at again.
_RETRY: Final = 30.0
# Seconds after which a copy that another process is making is looked for.
_SOON: Final = 0.25


@dataclass(slots=True)
class Entry:
    """A copy and its use. Times are of the monotonic clock."""

    collection: Collection
    kind: Kind
    copy: Copy
    used: float
    refreshed: float
    checked: float  # for damage of its files
    shared: SharedCopy | None = None
    owned: bool = True  # whether this process made the copy and keeps it current


Key = tuple[int, bool, str]


class Residents(ABC):
    """The copies of one process, shared by its threads.

    Args:
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

    def __init__(self, memory: int, *, smallest: int, directory: Path | None = None) -> None:
        self._memory = memory
        self.events = Events()
        self.fall_back = FallBacks(self.events)
        self._changed = Condition()
        self._entries: OrderedDict[Key, Entry] = OrderedDict()  # least recently used first
        self._wanted: OrderedDict[Key, tuple[Collection, Kind]] = OrderedDict()
        self._due: set[Key] = set()
        self._refused: dict[Key, float] = {}  # until when
        self._off_until = 0.0
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

    @abstractmethod
    def work(self, connection: Connection, seconds: float) -> None:
        """Use the time after a search for the copies.

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
                self._clean_up(entry.shared.condemn)
            self._remove(_key(collection, kind))

    def turn_off(self) -> None:
        """Use no copies for a while, because the database or the library does not support them."""
        with self._changed:
            self._off_until = monotonic() + 2 * _RETRY
            self._clear()
            self._wanted.clear()

    def close(self) -> None:
        """Drop all copies."""
        with self._changed:
            self._closed = True
            self._clear()
            self._changed.notify_all()

    def settle(self, seconds: float = 30.0) -> bool:
        """Wait until nothing is to be done; return whether that is so."""
        with self._changed:
            return self._changed.wait_for(
                lambda: not self._wanted and not self._due, timeout=seconds
            )

    @abstractmethod
    def _wake(self) -> None:
        """Let the work on wanted and due copies begin; called with the lock held."""

    def _note_refresh(self, key: Key, entry: Entry, *, kept: bool) -> None:
        with self._changed:
            self._due.discard(key)
            self.events.add("refreshes")
            entry.refreshed = monotonic()
            if not kept and self._entries.get(key) is entry:
                self._remove(key)
        self._evict(self._memory)  # it may have grown

    def _keep(
        self,
        key: Key,
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
                self._entries[key] = Entry(collection, kind, copy, now, now, now, shared, owned)
                return
            self._remove(key)
            # The owner may be making the copy.
            retry = _RETRY if shared is None or shared.owned else _SOON
            self._refused[key] = now + retry
            self._refused = {k: end for k, end in self._refused.items() if end > now}
        if shared:
            self._clean_up(shared.end)

    def _evict(self, room: int) -> None:
        """Drop the least recently used copies until the others have at most that many bytes."""
        with self._changed:
            while self._bytes() > room:
                self._remove(next(key for key, entry in self._entries.items() if entry.owned))
                self.events.add("evictions")

    def _bytes(self) -> int:
        return sum(each.copy.resident.nbytes for each in self._entries.values() if each.owned)

    def _remove(self, key: Key) -> None:
        entry = self._entries.pop(key, None)
        if entry and entry.shared:
            self._clean_up(entry.shared.end)

    def _clean_up(self, act: Callable[[], None]) -> None:
        """Remove files of a copy that is not used any more; searches and the thread go on."""
        try:
            act()
        except OSError as error:
            self.fall_back("the files of a copy could not be removed", error)

    def _clear(self) -> None:
        for key in list(self._entries):
            self._remove(key)


def _key(collection: Collection, kind: Kind) -> Key:
    return collection.key, kind.of_users, collection.model_version
