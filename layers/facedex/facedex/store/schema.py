"""Migration of a database to the latest schema: numbered SQL files, applied once, in order."""

from __future__ import annotations

from importlib.resources import files
from time import monotonic
from typing import Final

import psycopg

from facedex.store import row_values
from facedex.store.database import Connection, Database
from facedex.store.prerequisites import require_prerequisites
from facedex.store.store_errors import StoreError

# Seconds that a migration with a time limit waits for the lock of a table: all later requests for
# the table wait too.
_LOCK_PATIENCE: Final = 10
# From this version, Postgres can limit the duration of a transaction, not only of each statement.
_BOUNDS_TRANSACTIONS: Final = 170_000

# Any constant, the same in every process that migrates.
_LOCK: Final = 0x_FACEDE


def migrate(database: Database, *, seconds: float | None = None) -> list[str]:
    """Apply the migrations that the database lacks; safe to repeat and to run concurrently.

    Args:
        seconds: time limit after which the database rolls back the current migration, even if the
            caller is gone; None for no limit.

    Returns:
        Names of the files that were applied.

    Raises:
        StoreError: if the database lacks something, or if a migration failed or exceeded the time
            limit, and was rolled back.
        DatabaseUnavailable: if the database does not answer, or a table is in use for too long.
    """
    end = None if seconds is None else monotonic() + seconds
    applied: list[str] = []
    with database.reading() as connection:
        if not _is_current(connection):
            require_prerequisites(connection)
    for name, statements in _migrations():
        with database.transaction() as connection:
            try:
                if _apply(connection, name, statements, end):
                    applied.append(name)
            except psycopg.errors.QueryCanceled as error:
                if seconds is None:
                    raise  # no time limit was set here
                raise StoreError(
                    f"The migration {name} exceeded {seconds:.0f} seconds and was rolled back."
                ) from error
            except psycopg.OperationalError:
                raise
            except psycopg.Error as error:
                row_values.forget(error)
                raise StoreError(f"The migration {name} failed: {error}") from error
    return applied


def is_current(database: Database) -> bool:
    """Return whether the database has every migration, and this role may see that.

    Raises:
        DatabaseUnavailable: if the database does not answer.
    """
    with database.reading() as connection:
        return _is_current(connection)


def _apply(connection: Connection, name: str, statements: str, end: float | None) -> bool:
    """Apply one file in this transaction; return False if it had been applied already."""
    limit = 0 if end is None else max(1000, int((end - monotonic()) * 1000))  # ms
    connection.execute(f"SET LOCAL statement_timeout = {limit}")
    if limit and connection.info.server_version >= _BOUNDS_TRANSACTIONS:
        connection.execute(f"SET LOCAL transaction_timeout = {limit}")
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
    if name in _applied_names(connection):
        return False
    if limit:
        connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_PATIENCE}s'")
    # The region of rows that were written before there were regions.
    connection.execute("SELECT set_config('facedex.region', %s, true)", (connection.region,))
    connection.execute(statements)
    connection.execute("INSERT INTO schema_migrations (name) VALUES (%s)", (name,))
    return True


def _is_current(connection: Connection) -> bool:
    """Return whether the database has every migration, so that it lacks nothing."""
    row = connection.execute(
        "SELECT CASE WHEN to_regclass('schema_migrations') IS NULL THEN false"
        " ELSE has_table_privilege('schema_migrations', 'SELECT') END AS readable"
    ).fetchone()
    if row is None or not row.readable:
        return False
    applied = {row.name for row in connection.execute("SELECT name FROM schema_migrations")}
    return applied.issuperset(name for name, _ in _migrations())


def _migrations() -> list[tuple[str, str]]:
    folder = files("facedex.store").joinpath("migrations")
    scripts = [entry for entry in folder.iterdir() if entry.name.endswith(".sql")]
    return [(entry.name, entry.read_text()) for entry in sorted(scripts, key=lambda e: e.name)]


def _applied_names(connection: Connection) -> set[str]:
    connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_migrations ("
        " name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
    )
    return {row.name for row in connection.execute("SELECT name FROM schema_migrations")}
