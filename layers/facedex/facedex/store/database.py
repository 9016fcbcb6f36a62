"""The database of a process: its transactions, its regions, and one error for all its faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from copy import copy
from functools import cached_property
from typing import TYPE_CHECKING, Final

import psycopg
from psycopg_pool import PoolTimeout

from facedex.store import row_values
from facedex.store.connection import Connection
from facedex.store.disk import Disk
from facedex.store.pool import Pool, Use
from facedex.store.store_errors import DatabaseFull, DatabaseUnavailable

if TYPE_CHECKING:
    from facedex.store.audit import Trail
    from facedex.store.passwords import Passwords
    from facedex.store.residents import Residents

__all__ = ["Connection", "Database", "Use"]

# The region of names if no other is given: the default of ``facedex.settings`` too.
_REGION: Final = "us-east-1"

# Default seconds to wait for a connection: few, because the caller's SDK retries.
_PATIENCE: Final = 3.0


class Database:
    """A Postgres database with the schema of ``migrations/``.

    Args:
        url: libpq connection string.
        passwords: where the password of each new connection comes from, if the string has none.
        connections: maximum number of connections of this process.
        statement_timeout: seconds after which Postgres cancels a statement.
        patience: seconds to wait for a connection, or a function that returns them.
        pooled: whether a proxy (RDS Proxy, PgBouncer) shares connections among processes. A proxy
            cannot share connections that have their own settings or prepared statements, so the
            timeouts given here have no effect and must be set on the role.
        disk: the database's disk if it is on this machine; writes then need room on it.
        region: the region whose names the statements see. Data of releases that knew no regions
            are in it after their migration.

    Attributes:
        region: as given.
        residents: the copies of galleries in memory that searches use; None if they use none.
    """

    def __init__(
        self,
        url: str,
        *,
        passwords: Passwords | None = None,
        connections: int = 8,
        statement_timeout: float = 20.0,
        patience: float | Callable[[], float] = _PATIENCE,
        pooled: bool = False,
        disk: Disk | None = None,
        region: str = _REGION,
    ) -> None:
        self.region = region
        self.residents: Residents | None = None
        self._shared: Database | None = None
        self._trail: Trail | None = None
        self._disk = disk
        self._pool = Pool(
            url,
            passwords=passwords,
            connections=connections,
            statement_timeout=statement_timeout,
            patience=patience if callable(patience) else lambda: patience,
            proxied=pooled,
        )

    @property
    def whole(self) -> Database:
        """The database whose connections :meth:`in_region` shares: the same for all regions."""
        return self._shared or self

    def in_region(self, region: str) -> Database:
        """Return this database with the names of another region; it shares the connections."""
        if region == self.region:
            return self
        view = copy(self)
        view.region, view._shared = region, self.whole
        return view

    def recording(self, trail: Trail | None) -> Database:
        """Return this database for a request: its first transaction writes the trail as well.

        Args:
            trail: the audit log's row of the request; None for transactions that write no row.
        """
        view = copy(self)
        view._trail, view._shared = trail, self.whole
        return view

    @contextmanager
    def transaction(self, *, frees: bool = False) -> Iterator[Connection]:
        """Yield a connection in a transaction: committed at the end, rolled back on any exception.

        Args:
            frees: whether the transaction deletes data, so that it needs less room on the disk.

        Raises:
            DatabaseUnavailable: if there is no connection, it breaks, a timeout expires, or the
                disk has no room for writes.
        """
        self.require_room(frees=frees)
        with self._connection() as connection:
            yield connection
            if connection.trail and connection.trail.is_due:
                self._commit(connection, connection.trail)

    @contextmanager
    def autocommit(self) -> Iterator[Connection]:
        """Yield a connection on which every statement is a transaction of its own.

        It saves the two round trips that begin and end a transaction.

        Raises:
            DatabaseUnavailable: as in :meth:`transaction`.
        """
        with self._connection() as connection:
            connection.autocommit = True
            try:
                yield connection
            finally:
                if not connection.closed:
                    connection.autocommit = False

    def require_room(self, *, frees: bool = False) -> None:
        """Check that the database's disk has room for a write.

        Args:
            frees: whether the write is a deletion.

        Raises:
            DatabaseFull: if it has not enough room.
        """
        if self._disk:
            self._disk.require_room(frees=frees)

    def reading(self) -> AbstractContextManager[Connection]:
        """Return a connection for statements that change nothing; each sees all earlier commits.

        Raises:
            DatabaseUnavailable: as in :meth:`transaction`.
        """
        return self.autocommit()

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        try:
            with self._pool.connection() as connection:
                connection.region, connection.trail = self.region, self._trail
                connection.residents = self.whole.residents
                yield connection
        except psycopg.errors.DiskFull as error:
            raise DatabaseFull(DatabaseFull.MESSAGE) from error
        except (PoolTimeout, psycopg.OperationalError) as error:
            raise _unavailable(error) from error
        except psycopg.Error as error:
            row_values.forget(error)
            raise

    def ping(self) -> None:
        """Check that the database answers, even while all connections are in use.

        Raises:
            DatabaseUnavailable: if the database does not answer.
        """
        if self.use.used < self.use.most:
            with self.reading() as connection:
                connection.execute("SELECT 1")
            return
        try:
            self.attempt()
        except psycopg.OperationalError as error:
            raise _unavailable(error) from error

    def attempt(self) -> None:
        """Open a connection outside the pool, whose own errors do not say why it has none.

        Raises:
            psycopg.OperationalError: if the connection fails.
        """
        self._pool.attempt()

    @property
    def signing_secret(self) -> bytes:
        """The deployment's own random key, the same for every process on this database."""
        return self.whole._secret  # read once, not once for each view

    @property
    def audit_secret(self) -> bytes:
        """The deployment's own key of the digests in the audit log."""
        return self.whole._audit_secret

    @cached_property
    def _secret(self) -> bytes:
        return self._read_secret("signing")

    @cached_property
    def _audit_secret(self) -> bytes:
        return self._read_secret("audit")

    def _read_secret(self, name: str) -> bytes:
        with self.reading() as connection:
            row = connection.execute(
                "SELECT value FROM secrets WHERE name = %s", (name,)
            ).fetchone()
        if row is None:
            raise DatabaseUnavailable("The database has no schema yet; run its migrations.")
        return bytes(row.value)

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._pool.closed

    @property
    def use(self) -> Use:
        """The use of the pool now."""
        return self._pool.use

    def close(self) -> None:
        """Close every connection, and drop the copies of galleries."""
        if self.whole.residents:
            self.whole.residents.close()
        self._pool.close()

    def _commit(self, connection: Connection, trail: Trail) -> None:
        """Write a trail and commit the transaction, in the round trip that the commit takes."""
        from facedex.store.audit import write

        # Not all proxies support pipelines.
        with nullcontext() if self._pool.proxied else connection.pipeline():
            write(connection, trail.text())
            connection.commit()
        trail.written = True


def _unavailable(error: Exception) -> DatabaseUnavailable:
    return DatabaseUnavailable(f"The database did not answer ({type(error).__name__}); try again.")
