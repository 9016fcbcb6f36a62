"""A worker's sign of life, given while it is at work."""

from __future__ import annotations

from time import monotonic

from facedex.store import tasks
from facedex.store.database import Database
from facedex.store.tasks import LEASE, Lease


class Heartbeat:
    """Extends a lease, whenever it is called, but not more often than is of use.

    Raises:
        LeaseLost: the work is somebody else's by now.
    """

    def __init__(self, database: Database, lease: Lease) -> None:
        self._database, self._lease = database, lease
        self._next = monotonic() + LEASE / 6

    def __call__(self, _moment: int) -> None:
        """Say that the work has got on."""
        if monotonic() < self._next:
            return
        with self._database.transaction() as connection:
            tasks.extend(connection, self._lease)
        self._next = monotonic() + LEASE / 6
