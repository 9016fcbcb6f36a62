"""The pool of a process's connections to its database.

Connections are configured once and checked before use. While the database starts or resumes,
callers wait for one.
"""

from __future__ import annotations

import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import inf
from time import monotonic, time
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import namedtuple_row
from psycopg_pool import ConnectionPool, PoolTimeout

from facedex.observability import metrics
from facedex.observability.recording import timing
from facedex.store.connection import Connection

if TYPE_CHECKING:
    from facedex.store.passwords import Passwords

# Seconds between requests to the pool. Each starts a new attempt to connect if none is in progress,
# so a database that has just started is used within a second.
_STEP: Final = 1.0

# The pool ends a failing attempt after this many seconds and starts again at the next request, so
# that it reconnects as soon as the database is back, whatever its backoff was.
_RECONNECT: Final = 1.0

# Options of every connection.
_OPTIONS: Final[dict[str, Any]] = {"row_factory": namedtuple_row, "connect_timeout": 5}

# Options that the connection string may name otherwise. A server that has lost its power or its
# network does not end its connections. After 20 seconds without a sign of life they break, so that
# API Gateway's 29 seconds suffice for an answer: the operating system would wait for up to two
# hours. A server that is only busy answers to TCP.
_LIFE: Final[dict[str, Any]] = {
    "keepalives_idle": 10,  # seconds
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 20_000,  # milliseconds
}

# Seconds after its last use during which a silent connection is taken as it is: a check costs a
# round trip. If the network failed without a word since then, one request has to be retried.
_TRUSTED: Final = 0.25

# Seconds allowed for taking an idle connection, even if there is no time to wait.
_SHORTEST: Final = 0.1


@dataclass(frozen=True, slots=True)
class Use:
    """The connections of a pool: used, idle, waited for, and their largest number."""

    used: int
    idle: int
    waiting: int
    most: int


class Pool:
    """The connections of one process, shared by its threads.

    Args:
        url: libpq connection string.
        passwords: where the password of each new connection comes from, if the string has none.
        connections: their maximum number.
        statement_timeout: seconds after which Postgres cancels a statement.
        patience: returns the seconds to wait for a connection.
        proxied: whether a proxy shares connections among processes; see ``pooled`` of
            :class:`~facedex.store.database.Database`.

    Attributes:
        proxied: as given.
    """

    def __init__(
        self,
        url: str,
        *,
        passwords: Passwords | None,
        connections: int,
        statement_timeout: float,
        patience: Callable[[], float],
        proxied: bool,
    ) -> None:
        self.proxied = proxied
        self._statement_timeout = statement_timeout
        self._patience = patience
        self._url = url
        self._options = {
            **_OPTIONS,
            **_signs_of_life(url),
            "passwords": passwords,
            **({"prepare_threshold": None} if proxied else {}),
        }
        self._used: WeakKeyDictionary[Connection, float] = WeakKeyDictionary()
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            url,
            connection_class=Connection,
            min_size=0,
            max_size=connections,
            reconnect_timeout=_RECONNECT,
            kwargs=self._options,
            configure=None if proxied else self._configure,
            check=self._check,
            open=True,
        )

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Yield a connection; commit its transaction at the end, or roll back on any exception.

        Raises:
            PoolTimeout: if none is free within the patience.
        """
        connection = self._acquire()
        try:
            with connection:
                yield connection
            self._used[connection] = time()
        finally:
            self._pool.putconn(connection)

    def attempt(self) -> None:
        """Open a connection outside the pool, whose own errors do not say why it has none.

        Raises:
            psycopg.OperationalError: if the connection fails.
        """
        Connection.connect(self._url, **self._options).close()

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._pool.closed

    @property
    def use(self) -> Use:
        """The use of the pool now."""
        stats = self._pool.get_stats()
        size, idle = stats.get("pool_size", 0), stats.get("pool_available", 0)
        return Use(size - idle, idle, stats.get("requests_waiting", 0), self._pool.max_size)

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()

    @timing(metrics.DATABASE_WAIT)
    def _acquire(self) -> Connection:
        """Return a connection of the pool; wait while a database starts or resumes."""
        end = monotonic() + self._patience()
        while True:
            left = end - monotonic()
            try:
                return self._pool.getconn(timeout=max(_SHORTEST, min(_STEP, left)))
            except PoolTimeout:
                if monotonic() >= end:
                    raise

    def _check(self, connection: Connection) -> None:
        """Check that a connection still works, unless it did a moment ago and is silent since."""
        # By the wall clock: the monotonic clock may stop while a function is frozen.
        recent = 0 <= time() - self._used.get(connection, -inf) <= _TRUSTED
        if not recent or _has_input(connection):
            ConnectionPool.check_connection(connection)

    def _configure(self, connection: Connection) -> None:
        milliseconds = int(self._statement_timeout * 1000)
        connection.execute(f"SET statement_timeout = {milliseconds}")
        connection.execute(f"SET idle_in_transaction_session_timeout = {milliseconds}")
        connection.commit()


def _signs_of_life(url: str) -> dict[str, Any]:
    """Return the options of ``_LIFE`` that a connection string does not name."""
    named: dict[str, Any] = {}
    with suppress(psycopg.ProgrammingError):  # of a string that no attempt can connect with
        named = conninfo_to_dict(url)
    return {name: value for name, value in _LIFE.items() if name not in named}


def _has_input(connection: Connection) -> bool:
    """Return whether the server has sent something meanwhile, or has closed the connection."""
    sockets = select.poll()
    sockets.register(connection.fileno(), select.POLLIN)
    return bool(sockets.poll(0))
