"""Migrations since the last release only add, so that the release runs on the newer schema.

While a deployment is upgraded, and after it was rolled back, functions of the release use a schema
that later migrations have changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from facedex.store import job_notifications, jobs, schema
from facedex.store.database import Connection, Database
from tests.integration.video_store import start

# The newest migration of release 0.2.0.
_RELEASED = "0013"
# New rules for old tables that the release satisfies without knowing them, and why.
_SATISFIED = {
    "users_by_key": "the default of its column is random",
    "note_replaced_vectors": "fills a column that the release does not know",
    "log_added_faces": "writes a table of its own, and refuses nothing",
    "log_removed_faces": "writes a table of its own, and refuses nothing",
    "log_added_users": "writes a table of its own, and refuses nothing",
    "log_changed_users": "writes a table of its own, and refuses nothing",
    "log_removed_users": "writes a table of its own, and refuses nothing",
}


@dataclass(frozen=True)
class Shape:
    """What a program relies on in a schema.

    Attributes:
        columns: by table and name; their type, and whether an INSERT may leave them out.
        rules: by table; what its rows must satisfy: constraints, unique indexes and triggers, each
            with its name.
        functions: signatures with results.
    """

    columns: dict[tuple[str, str], tuple[str, bool]]
    rules: dict[str, frozenset[tuple[str, str]]]
    functions: frozenset[str]

    @classmethod
    def of(cls, connection: Connection) -> Shape:
        columns = {
            (row.table_name, row.name): (row.type, row.optional)
            for row in connection.execute(
                "SELECT attrelid::regclass::text AS table_name, attname AS name,"
                " format_type(atttypid, atttypmod) AS type,"
                " (NOT attnotnull OR atthasdef OR attidentity <> '') AS optional"
                " FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid"
                " WHERE relkind = 'r' AND attnum > 0 AND NOT attisdropped"
                " AND relnamespace = current_schema()::regnamespace"
            )
        }
        rules: dict[str, set[tuple[str, str]]] = {table: set() for table, _ in columns}
        for query in (
            "SELECT conrelid::regclass::text AS table_name, conname AS name,"
            " pg_get_constraintdef(oid) AS rule"
            " FROM pg_constraint WHERE connamespace = current_schema()::regnamespace"
            " AND conrelid <> 0 AND contype <> 'n'",  # columns say whether they may be null
            "SELECT indrelid::regclass::text AS table_name,"
            " indexrelid::regclass::text AS name,"
            " pg_get_indexdef(indexrelid) AS rule FROM pg_index"
            " JOIN pg_class ON pg_class.oid = indrelid WHERE indisunique AND NOT indisprimary"
            " AND relnamespace = current_schema()::regnamespace",
            "SELECT tgrelid::regclass::text AS table_name, tgname AS name,"
            " pg_get_triggerdef(oid) AS rule"
            " FROM pg_trigger WHERE NOT tgisinternal",
        ):
            for row in connection.execute(query):
                rules.setdefault(row.table_name, set()).add((row.name, row.rule))
        functions = {
            row.signature
            for row in connection.execute(
                "SELECT oid::regprocedure || ' ' || pg_get_function_result(oid) AS signature"
                " FROM pg_proc WHERE pronamespace = current_schema()::regnamespace"
                " AND prokind = 'f' AND NOT EXISTS (SELECT FROM pg_depend"
                " WHERE objid = pg_proc.oid AND deptype = 'e')"
            )
        }
        return cls(
            columns,
            {table: frozenset(each) for table, each in rules.items()},
            frozenset(functions),
        )


def conflicts(release: Shape, newer: Shape) -> list[str]:
    """Return what a program of the release cannot do on the newer schema."""
    found = []
    for (table, name), (kind, optional) in release.columns.items():
        present = newer.columns.get((table, name))
        if present is None:
            found.append(f"{table}.{name} is gone")
        elif present[0] != kind:
            found.append(f"{table}.{name} is {present[0]}, not {kind}")
        elif optional and not present[1]:
            found.append(f"{table}.{name} must be given")
    for (table, name), (_, optional) in newer.columns.items():
        if table in release.rules and (table, name) not in release.columns and not optional:
            found.append(f"{table}.{name} must be given")
    for table, rules in release.rules.items():
        found += [
            f"{table} has the new rule {name}: {rule}"
            for name, rule in sorted(newer.rules.get(table, frozenset()) - rules)
            if name not in _SATISFIED
        ]
    found += [f"{each} is gone" for each in sorted(release.functions - newer.functions)]
    return found


@pytest.fixture
def released(database_url: str) -> Iterator[Database]:
    """Return a database with the schema of the release."""
    database = Database(database_url)
    for name, statements in schema._migrations():
        if name[:4] <= _RELEASED:
            with database.transaction() as connection:
                assert schema._apply(connection, name, statements, None)
    yield database
    database.close()


def _shape(database: Database) -> Shape:
    with database.transaction() as connection:
        return Shape.of(connection)


def test_the_release_runs_on_the_newest_schema(released: Database) -> None:
    before = _shape(released)
    assert ("faces", "vector") in before.columns
    assert before.functions
    schema.migrate(released)
    assert conflicts(before, _shape(released)) == []


@pytest.mark.parametrize(
    ("statement", "conflict"),
    [
        ("ALTER TABLE users DROP COLUMN vector", "users.vector is gone"),
        ("ALTER TABLE tags RENAME TO labels", "tags.collection_key is gone"),
        ("ALTER TABLE faces ADD COLUMN eyes int NOT NULL", "faces.eyes must be given"),
        ("ALTER TABLE tags ALTER COLUMN tag_key TYPE varchar", "tags.tag_key is character varying"),
        ("ALTER TABLE faces ALTER COLUMN user_id SET NOT NULL", "faces.user_id must be given"),
        (
            "ALTER TABLE faces ADD CHECK (face_number < 9)",
            "faces has the new rule faces_face_number_check: CHECK",
        ),
        ("CREATE UNIQUE INDEX once ON tags (tag_key)", "tags has the new rule once: "),
        ("DROP FUNCTION lock_name", "lock_name(text) void is gone"),
    ],
)
def test_a_change_that_the_release_does_not_survive_is_found(
    released: Database, statement: str, conflict: str
) -> None:
    before = _shape(released)
    _execute(released, statement)
    found = conflicts(before, _shape(released))
    assert any(conflict in each for each in found), found


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE looks (face_id uuid NOT NULL PRIMARY KEY)",
        "ALTER TABLE faces ADD COLUMN age smallint",
        "ALTER TABLE faces ADD COLUMN age smallint NOT NULL DEFAULT 0",
        "CREATE INDEX ON faces (image_digest)",
        "ALTER TABLE faces ALTER COLUMN image_digest DROP NOT NULL",
    ],
)
def test_an_addition_is_allowed(released: Database, statement: str) -> None:
    before = _shape(released)
    _execute(released, statement)
    assert conflicts(before, _shape(released)) == []


def _execute(database: Database, statement: Any) -> None:
    with database.transaction() as connection:
        connection.execute(statement)


def _read(connection: Connection, job_id: str) -> None:
    jobs.find(connection, job_id)


def _notify(connection: Connection, job_id: str) -> None:
    job_notifications.claim_notification(connection, job_id)


@pytest.mark.parametrize("act", [_read, _notify])
def test_a_new_column_fails_no_statement_that_is_prepared(
    database: Database, act: Callable[[Connection, str], None]
) -> None:
    job_id = start(database)
    with database.autocommit() as connection:
        for _ in range(8):
            act(connection, job_id)
        assert connection.execute("SELECT FROM pg_prepared_statements").fetchall()
        _execute(database, "ALTER TABLE video_jobs ADD COLUMN colour text")
        act(connection, job_id)
