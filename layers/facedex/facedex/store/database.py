"""The connection to Postgres: one pool per process, every fault turned into one error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from math import inf
from time import monotonic, time
from typing import Any, Final
from weakref import WeakKeyDictionary

import psycopg
from psycopg.rows import namedtuple_row
from psycopg_pool import ConnectionPool, PoolTimeout

from facedex.store.errors import DatabaseUnavailable

Connection = psycopg.Connection[Any]

# Seconds that a request waits for a connection where nothing else is said: few, because the
# caller's SDK repeats the request.
_PATIENCE: Final = 3.0

# A connection is asked for again and again by this many seconds, each of which begins a new attempt
# if none is under way: so a database that comes up is met within a second of it.
_STEP: Final = 1.0

# The pool gives up a failing attempt after this many seconds and starts afresh with the next
# request, so that it is back as soon as the database is, whatever its backoff had grown to.
_RECONNECT: Final = 1.0

# For every connection.
_OPTIONS: Final[dict[str, Any]] = {"row_factory": namedtuple_row, "connect_timeout": 5}

# Seconds after its last use in which a connection is taken to work: asking it costs a round trip,
# and one that broke so lately means one repeated request.
_TRUSTED: Final = 0.25

# Seconds that are given to a connection which lies ready, even where there is no time to wait.
_SHORTEST: Final = 0.1


class Database:
    """A Postgres database with the schema of ``migrations/``.

    Args:
        url: libpq connection string.
        password: gives the password of each new connection, where the string has none.
        connections: the most that this process opens.
        statement_timeout: seconds after which Postgres gives up a statement.
        patience: seconds for which a connection is waited for, or what says so at that moment.
        pooled: connections are shared out among processes by a proxy (RDS Proxy, PgBouncer), which
            cannot share one that has settings or prepared statements of its own. Then the role has
            to have its timeouts, and this process's do not count.
    """

    def __init__(
        self,
        url: str,
        *,
        password: Callable[[], str] | None = None,
        connections: int = 8,
        statement_timeout: float = 20.0,
        patience: float | Callable[[], float] = _PATIENCE,
        pooled: bool = False,
    ) -> None:
        self._statement_timeout = statement_timeout
        self._patience = patience if callable(patience) else lambda: patience
        own = {"prepare_threshold": None} if pooled else {}
        self._used: WeakKeyDictionary[Connection, float] = WeakKeyDictionary()
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            url,
            min_size=0,
            max_size=connections,
            reconnect_timeout=_RECONNECT,
            kwargs=lambda: _OPTIONS | own | ({"password": password()} if password else {}),
            configure=None if pooled else self._configure,
            check=self._check,
            open=True,
        )

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A connection in a transaction: committed at the end, rolled back on any exception.

        Raises:
            DatabaseUnavailable: no connection could be had, it broke, or a timeout struck.
        """
        with self._connection() as connection:
            yield connection

    @contextmanager
    def autocommit(self) -> Iterator[Connection]:
        """A connection whose every statement is a transaction: it is committed once it has run.

        Without the two round trips that begin and end a transaction of several.

        Raises:
            DatabaseUnavailable: as for a transaction.
        """
        with self._connection() as connection:
            connection.autocommit = True
            try:
                yield connection
            finally:
                if not connection.closed:
                    connection.autocommit = False

    def reading(self) -> AbstractContextManager[Connection]:
        """A connection for statements that change nothing: each sees what is committed by then.

        Raises:
            DatabaseUnavailable: as for a transaction.
        """
        return self.autocommit()

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        try:
            connection = self._acquire()
            try:
                with connection:
                    yield connection
                self._used[connection] = time()
            finally:
                self._pool.putconn(connection)
        except (PoolTimeout, psycopg.OperationalError) as error:
            raise DatabaseUnavailable(
                f"The database did not answer ({type(error).__name__}); try again."
            ) from error

    def ping(self) -> None:
        """Make sure that the database answers.

        Raises:
            DatabaseUnavailable: it does not.
        """
        with self.reading() as connection:
            connection.execute("SELECT 1")

    @cached_property
    def signing_secret(self) -> bytes:
        """The deployment's own random key, the same for every process on this database."""
        with self.reading() as connection:
            row = connection.execute("SELECT value FROM secrets WHERE name = 'signing'").fetchone()
        if row is None:
            raise DatabaseUnavailable("The database has no schema yet; run its migrations.")
        return bytes(row.value)

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()

    def _acquire(self) -> Connection:
        """A connection of the pool, waited for while a database starts or wakes up."""
        end = monotonic() + self._patience()
        while True:
            left = end - monotonic()
            try:
                return self._pool.getconn(timeout=max(_SHORTEST, min(_STEP, left)))
            except PoolTimeout:
                if monotonic() >= end:
                    raise

    def _check(self, connection: Connection) -> None:
        """Make sure that a connection still works, unless it did a moment ago."""
        # By the clock on the wall: the other one may stand still while a function is frozen.
        if not 0 <= time() - self._used.get(connection, -inf) <= _TRUSTED:
            ConnectionPool.check_connection(connection)

    def _configure(self, connection: Connection) -> None:
        milliseconds = int(self._statement_timeout * 1000)
        connection.execute(f"SET statement_timeout = {milliseconds}")
        connection.execute(f"SET idle_in_transaction_session_timeout = {milliseconds}")
        connection.commit()
