"""Leases on rows: each row is work that at most one worker has at a time.

A message only names the row. The lease decides which worker works on it: the worker claims a lease,
a random id that all its later writes must name, and keeps extending it. When a worker dies, its
lease expires and the message is sent again. All times are the database's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

from facedex.store.database import Connection
from facedex.store.store_errors import LeaseLost

# SQL: the condition that no worker has the row; the assignments that end a lease.
UNLEASED: Final = "(leased_until IS NULL OR leased_until <= now())"
FREE: Final = "lease = NULL, leased_until = NULL"

# SQL: the condition that workers can do the work, because they reach the films or streams that it
# needs. The server is unknown in rows of earlier releases.
REACHABLE: Final = "(server IS NULL OR server = ANY(%(servers)s))"
EVERYWHERE: Final = ("",)  # the servers of workers without a server's own memory

_MAX_SENDS: Final = 12  # highest value of the counter
_MAX_MESSAGES: Final = 1000  # claimed in one call


@dataclass(frozen=True, slots=True)
class Lease:
    """A worker's exclusive right to a row.

    Attributes:
        key: the row's primary key, by column.
        holder: the random id that the row has while the lease is this worker's.
    """

    key: Mapping[str, Any]
    holder: UUID


@dataclass(frozen=True, slots=True)
class LeasedTable:
    """A table of work with the columns lease, leased_until, sends and send_after.

    Attributes:
        name: name of the table.
        key: columns of its primary key.
        unfinished: SQL condition for a row that still needs work.
        resend_seconds: seconds after which the message of a row that no worker claimed is sent
            again. They double each time, as busy workers are more likely than a lost message.
        doublings: maximum number of doublings.
    """

    name: str
    key: tuple[str, ...]
    unfinished: str
    resend_seconds: int
    doublings: int

    def claim(
        self,
        connection: Connection,
        key: Mapping[str, Any],
        seconds: float,
        *,
        returning: str,
        changes: str = "",
        condition: str = "true",
        holder: UUID | None = None,
    ) -> tuple[Lease, Any] | None:
        """Claim the lease on an unfinished row that no other worker has.

        Args:
            connection: in a transaction.
            key: the row's primary key, by column.
            seconds: seconds until the lease expires.
            returning: SQL expressions to return.
            changes: further SQL assignments, in which ``lease`` is the previous lease.
            condition: further SQL condition.
            holder: id of the lease; random if not given.

        Returns:
            The lease and the row, or None if there is no such row, or another worker has it.
        """
        lease = Lease(key, holder or uuid4())
        row = connection.execute(
            f"""
            UPDATE {self.name} SET lease = %(holder)s,
                leased_until = now() + make_interval(secs => %(seconds)s),
                send_after = now() + make_interval(secs => %(seconds)s)
                {changes and f", {changes}"}
            WHERE ({self._columns}) = (
                SELECT {self._columns} FROM {self.name}
                WHERE {self._named} AND {self.unfinished} AND {UNLEASED} AND {condition}
                FOR UPDATE SKIP LOCKED
            )
            RETURNING {returning}
            """,
            {**key, "holder": lease.holder, "seconds": seconds},
        ).fetchone()
        return None if row is None else (lease, row)

    def extend(
        self,
        connection: Connection,
        lease: Lease,
        seconds: float,
        *,
        changes: str = "",
        values: Mapping[str, Any] | None = None,
        returning: str = "1",
    ) -> Any:
        """Extend a lease.

        Args:
            connection: in a transaction.
            lease: this worker's lease.
            seconds: seconds until it expires.
            changes: further SQL assignments.
            values: values of the parameters in ``changes``.
            returning: SQL expressions to return.

        Returns:
            The row.

        Raises:
            LeaseLost: if another worker has the row, or its work is over.
        """
        extension = (
            "leased_until = now() + make_interval(secs => %(seconds)s),"
            " send_after = now() + make_interval(secs => %(seconds)s)"
        )
        assignments = f"{extension}, {changes}" if changes else extension
        row = self.write(
            connection, lease, assignments, {**(values or {}), "seconds": seconds}, returning
        )
        if row is None:
            raise LeaseLost("Another worker has taken over the work, or the work has ended.")
        return row

    def write(
        self,
        connection: Connection,
        lease: Lease,
        changes: str,
        values: Mapping[str, Any] | None = None,
        returning: str = "1",
    ) -> Any | None:
        """Change the row of a lease; return None, with no change, if the lease is lost.

        Args:
            connection: in a transaction.
            lease: this worker's lease.
            changes: SQL assignments, which may end the lease with ``FREE``.
            values: values of the parameters in ``changes``.
            returning: SQL expressions to return.
        """
        return connection.execute(
            f"UPDATE {self.name} AS work SET {changes}"
            f" WHERE {self._named} AND lease = %(holder)s RETURNING {returning}",
            {**(values or {}), **lease.key, "holder": lease.holder},
        ).fetchone()

    def claim_messages(
        self, connection: Connection, *, condition: str, values: Mapping[str, Any]
    ) -> list[Any]:
        """Claim the due messages, for this process to send.

        Messages are due for new rows, for rows whose lease has expired, and for rows that no worker
        has claimed for a long time.

        Args:
            connection: in a transaction.
            condition: further SQL condition.
            values: values of the parameters in ``condition``.

        Returns:
            The primary keys of the rows.
        """
        returning = ", ".join(f"work.{column}" for column in self.key)
        due = ", ".join(f"due.{column}" for column in self.key)
        return connection.execute(
            f"""
            UPDATE {self.name} AS work SET sends = least(work.sends + 1, {_MAX_SENDS}),
                send_after = now() + {self.resend_seconds}
                    * power(2, least(work.sends, {self.doublings})) * interval '1 second'
            FROM (
                SELECT {self._columns} FROM {self.name}
                WHERE {self.unfinished} AND send_after <= now() AND {UNLEASED} AND {condition}
                ORDER BY send_after LIMIT {_MAX_MESSAGES} FOR UPDATE SKIP LOCKED
            ) AS due
            WHERE ({returning}) = ({due})
            RETURNING {returning}
            """,
            values,
        ).fetchall()

    def resend_messages(self, connection: Connection, seconds: float) -> None:
        """Make the messages of all unfinished rows due again, as if they had not reached a worker.

        Args:
            connection: in a transaction.
            seconds: seconds until they are due, from now or from the end of the row's lease.
        """
        connection.execute(
            f"""
            UPDATE {self.name} SET
                send_after = coalesce(leased_until, now()) + make_interval(secs => %(seconds)s)
            WHERE ({self._columns}) IN (
                SELECT {self._columns} FROM {self.name} WHERE {self.unfinished}
                FOR UPDATE SKIP LOCKED
            )
            """,
            {"seconds": seconds},
        )

    def release_all(self, connection: Connection, free: str = FREE) -> None:
        """Release the leases of all rows, whose workers are known to be dead.

        Args:
            connection: in a transaction.
            free: SQL assignments that end a lease.
        """
        connection.execute(
            f"UPDATE {self.name} SET {free}, send_after = now()"
            f" WHERE lease IS NOT NULL AND {self.unfinished}"
        )

    @property
    def _columns(self) -> str:
        return ", ".join(self.key)

    @property
    def _named(self) -> str:
        return " AND ".join(f"{column} = %({column})s" for column in self.key)
