"""Brings a database to the newest schema: numbered SQL files, each applied once, in order."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

import psycopg

from facedex.store.database import Connection, Database
from facedex.store.errors import StoreError

# Any constant does; it only has to be the same in every process that migrates.
_LOCK: Final = 0x_FACEDE


def migrate(database: Database) -> list[str]:
    """Apply the migrations that the database has not seen; safe to repeat and to run at once.

    Returns:
        Names of the files that were applied.

    Raises:
        StoreError: a migration failed; the database is as it was before that file.
        DatabaseUnavailable: the database does not answer.
    """
    applied: list[str] = []
    for name, statements in _migrations():
        with database.transaction() as connection:
            connection.execute("SET LOCAL statement_timeout = 0")
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            if name in _known(connection):
                continue
            try:
                connection.execute(statements)
                connection.execute("INSERT INTO schema_migrations (name) VALUES (%s)", (name,))
            except psycopg.OperationalError:
                raise
            except psycopg.Error as error:
                raise StoreError(f"The migration {name} failed: {error}") from error
            applied.append(name)
    return applied


def _migrations() -> list[tuple[str, str]]:
    folder = files("facedex.store").joinpath("migrations")
    scripts = [entry for entry in folder.iterdir() if entry.name.endswith(".sql")]
    return [(entry.name, entry.read_text()) for entry in sorted(scripts, key=lambda e: e.name)]


def _known(connection: Connection) -> set[str]:
    connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_migrations ("
        " name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
    )
    return {row.name for row in connection.execute("SELECT name FROM schema_migrations")}
