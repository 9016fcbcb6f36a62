"""Vectors as Postgres has them in memory.

``halfvec_send`` converts each number by itself, half of the time in which Postgres reads a gallery.
The function that sends a ``bytea`` copies the memory of any value instead. Only a superuser may
declare it for vectors, such as that of a database that Facedex has set up itself. The declaration
is temporary: it ends with the connection, and no backup has it.
"""

from __future__ import annotations

import sys
from typing import Final

import psycopg

from facedex.store.connection import Connection

_FUNCTION: Final = "pg_temp.facedex_memory_of"
# The dimension, an unused number, and the halves 1 and -2, each of two bytes.
_EXAMPLE: Final = b"".join(number.to_bytes(2, sys.byteorder) for number in (2, 0, 0x3C00, 0xC000))


def declare(connection: Connection) -> None:
    """Let a connection that is not in a transaction read the memory of vectors, if it may.

    A transaction has to ask :func:`declared` nevertheless: a connection pooler between this process
    and Postgres may run it on another connection of its own.
    """
    if connection.info.parameter_status("is_superuser") != "on" or declared(connection):
        return
    try:
        connection.execute(
            f"CREATE FUNCTION {_FUNCTION}(halfvec) RETURNS bytea"
            " LANGUAGE internal STRICT PARALLEL SAFE AS 'byteasend'"
        )
        row = connection.execute(f"SELECT {_FUNCTION}('[1,-2]') AS memory", binary=True).fetchone()
        if row is None or row.memory != _EXAMPLE:  # of a machine with another order of bytes
            connection.execute(f"DROP FUNCTION {_FUNCTION}")
    except psycopg.Error:
        if connection.closed:
            raise
        # For example, the connection can only read: vectors are sent as usual.


def declared(connection: Connection) -> bool:
    """Return whether this connection can read the memory of vectors."""
    row = connection.execute(
        "SELECT to_regprocedure(%s) IS NOT NULL AS declared", (f"{_FUNCTION}(halfvec)",)
    ).fetchone()
    return row is not None and bool(row.declared)


def bytes_of(column: str) -> str:
    """Return the expression for the memory of a column's vectors."""
    return f"{_FUNCTION}({column})"
