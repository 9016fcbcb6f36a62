"""The copies of galleries in a process that runs all the time, as servers and workers do.

A thread reads copies from Postgres or from another process, brings them up to date and drops those
that are not needed.
"""

from __future__ import annotations

from pathlib import Path
from threading import Thread
from time import monotonic
from typing import Final
from weakref import ref

from facedex.gallery.blocks import Damaged
from facedex.store import copies
from facedex.store.collections import Collection
from facedex.store.copies import Kind
from facedex.store.database import Connection, Database
from facedex.store.obtaining import DAMAGED
from facedex.store.residents import Entry, Key, Residents
from facedex.store.shared_copies import SharedCopy
from facedex.store.store_errors import DatabaseUnavailable

# With fewer vectors, SQL takes half a millisecond longer at most (1.0 and 0.5 ms for 5,000).
_SMALLEST: Final = 5000
# Seconds after which a copy is brought up to date, even if no search uses it, and its files are
# checked.
_REFRESH: Final = 30.0
# Seconds between refreshes of a copy that searches use while its gallery changes.
_BETWEEN: Final = 0.25
# Seconds between looks at the state of a copy that another process keeps.
_LOOK: Final = 1.0
# Seconds after which such a copy is given up if no search uses it.
_UNUSED: Final = 600.0
# Seconds without a refresh, because the database does not answer, after which a copy is dropped.
_ABANDON: Final = 120.0
# Seconds after which the thread ends if there is no copy; the next search starts it again.
_IDLE: Final = 60.0


class ContinuousResidents(Residents):
    """The copies of such a process, and the thread that keeps them current.

    Args:
        database: where the galleries are.
        memory: maximum memory of all copies, in bytes.
        smallest: number of vectors from which a gallery has a copy.
        directory: where the processes of this machine share copies; None for copies of this
            process alone.
    """

    def __init__(
        self,
        database: Database,
        memory: int,
        *,
        smallest: int = _SMALLEST,
        directory: Path | None = None,
    ) -> None:
        super().__init__(memory, smallest=smallest, directory=directory)
        self._database = ref(database.whole)
        self._thread: Thread | None = None

    def work(self, connection: Connection, seconds: float) -> None:
        """Do nothing: the thread needs no time of searches."""

    def close(self) -> None:
        """Drop all copies and end the thread."""
        with self._changed:
            super().close()
            thread = self._thread
        if thread:
            thread.join(1.0)

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

    def _due_entries(self) -> list[tuple[Key, Entry]]:
        now = monotonic()
        self._due &= self._entries.keys()
        return [each for each in self._entries.items() if self._due_at(*each) <= now]

    def _due_at(self, key: Key, entry: Entry) -> float:
        if entry.owned and entry.shared and entry.shared.asked():
            self._due.add(key)
            entry.used = monotonic()
        if key in self._due:
            return entry.refreshed + _BETWEEN
        return entry.refreshed + (_REFRESH if entry.owned else _LOOK)

    def _refresh(self, database: Database, key: Key, entry: Entry) -> None:
        if not entry.owned:
            self._look(database, key, entry)
            return
        try:
            kept = copies.refresh(database, entry.kind, entry.collection, entry.copy)
            if kept and entry.shared:
                kept = entry.shared.publish(entry.copy)
            # Also while the gallery changes all the time.
            if kept and monotonic() - entry.checked >= _REFRESH:
                for segment in entry.copy.resident.segments:
                    segment.require_undamaged()
                entry.checked = monotonic()
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

    def _look(self, database: Database, key: Key, entry: Entry) -> None:
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
        key: Key,
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
