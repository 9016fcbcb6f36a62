"""One connection to Postgres: its region, its password, and the spans of its statements."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.abc import Params

from facedex.observability.recording import span, tracing
from facedex.store.statements import summarise

if TYPE_CHECKING:
    from facedex.store.audit import Trail
    from facedex.store.passwords import Passwords
    from facedex.store.residents import Residents


class Connection(psycopg.Connection[Any]):
    """A connection, and the region whose names its statements see.

    Collections and stream processors of two regions may have the same name. A statement that uses
    a name reads the region here, so that none can omit it.

    Attributes:
        region: the region, set whenever the connection is taken from the pool.
        residents: the copies of galleries in memory, set likewise; None if there are none.
        trail: the audit log's row of the request, if it is to be written; set likewise.
    """

    region: str = ""
    residents: Residents | None = None
    trail: Trail | None = None

    @classmethod
    def connect(cls, conninfo: str = "", **options: Any) -> Connection:
        """Connect, and once more with another password if the server refuses the first.

        Args:
            conninfo: libpq connection string.
            options: options of psycopg, and ``passwords``: where the password comes from, if the
                string has none.
        """
        passwords: Passwords | None = options.pop("passwords", None)
        if passwords is None:
            return super().connect(conninfo, **options)
        password = passwords.current()
        try:
            return super().connect(conninfo, password=password, **options)
        except psycopg.OperationalError as error:
            # libpq gives no code of the error, only whether the server had asked for a password.
            asked = error.pgconn is not None and error.pgconn.used_password
            renewed = passwords.renewed(password) if asked else None
            if renewed is None:
                raise
            return super().connect(conninfo, password=renewed, **options)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let the statements of a block see one state of the database, and change nothing.

        Only between transactions, as in :meth:`Database.reading`.
        """
        self.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        try:
            yield
        finally:
            if not self.closed:
                self.execute("ROLLBACK")

    def execute(
        self,
        query: Any,  # psycopg overloads this method
        params: Params | None = None,
        *,
        prepare: bool | None = None,
        binary: bool = False,
    ) -> psycopg.Cursor[Any]:
        """Run a statement. Its span has the verb and the table only, no values."""
        if not tracing():
            return super().execute(query, params, prepare=prepare, binary=binary)
        verb, table = summarise(query if isinstance(query, str) else "")
        name = f"{verb} {table}".strip()
        with span(name, remote=True, **{"db.system.name": "postgresql", "db.operation.name": verb}):
            return super().execute(query, params, prepare=prepare, binary=binary)
