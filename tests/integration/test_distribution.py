"""The statements of the store need the tables of one collection at a time (docs/scale.md).

Postgres can then distribute the tables over several servers by the collection's key. What needs
more is listed here with the reason, and on the page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pgparse
import psycopg
import pytest

from facedex.store import schema
from facedex.store.database import Database
from facedex_local.postgres.cluster import Postgres
from tests.integration.databases import new_database
from tests.integration.distribution import (
    DISTRIBUTED,
    ELSEWHERE,
    KEY,
    LOCAL,
    REFERENCE,
    use_everything,
)
from tests.integration.recording import Sent, places, recorded
from tests.sql_keys import read

PAGE = Path(__file__).parents[2] / "docs" / "scale.md"

# Statements about all collections, by the function of the store: tools of operators and backups.
ALL_COLLECTIONS = {
    "figures.tables": "counts and hashes every row, for `facedex backup`",
    "figures.searches": "draws a sample of all faces, for `facedex backup`",
    "upgrades.overview": "lists the sizes of a region's collections, for `facedex collections`",
}
# Statements that are not on one worker, although they are about one collection.
NOT_ON_ONE_WORKER = {
    ("adding.add_new", "begin_image"): "the function locks the collection and reads its faces",
    ("adding.add_new", "audit_log"): "the log's row is written by the statement that stores faces",
}
# Triggers of distributed tables.
TRIGGERS = {
    *("log_added_faces", "log_removed_faces"),
    *("log_added_users", "log_changed_users", "log_removed_users"),
}


@pytest.fixture(scope="module")
def schema_url(postgres: Postgres) -> Iterator[str]:
    with new_database(postgres) as url:
        yield url


@pytest.fixture(scope="module")
def sent(schema_url: str) -> list[Sent]:
    """Return the statements of a use of the whole store."""
    with recorded() as statements:
        database = Database(schema_url)
        schema.migrate(database)
        statements.clear()
        use_everything(database)
        database.close()
        return list(statements)


@pytest.fixture(scope="module")
def connection(schema_url: str, sent: list[Sent]) -> Iterator[psycopg.Connection]:
    with psycopg.connect(schema_url) as opened:
        yield opened


def test_every_call_that_may_use_a_distributed_table_was_recorded(sent: list[Sent]) -> None:
    executed = {each.place for each in sent}
    missing = [
        f"{module}.py, line {first}"
        for module, first, last in places(DISTRIBUTED)
        if module not in ELSEWHERE
        and not any(name == module and first <= line <= last for name, line in executed)
    ]
    assert not missing, missing
    assert len({each.text for each in sent}) > 70


def test_statements_need_the_rows_of_one_collection(sent: list[Sent]) -> None:
    wide = set()
    for each in sent:
        uses = read(each.text, each.values, KEY).of(DISTRIBUTED)
        found = [use.keys for use in uses]
        if found and not (all(len(keys) == 1 for keys in found) and len(set(found)) == 1):
            wide.add(each.entry)
    assert wide == set(ALL_COLLECTIONS)


def test_statements_on_distributed_tables_need_nothing_of_the_coordinator(
    sent: list[Sent], connection: psycopg.Connection
) -> None:
    own = {
        str(name)
        for (name,) in connection.execute(
            "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
            " AND prolang <> (SELECT oid FROM pg_language WHERE lanname = 'c')"
            " AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')"
        )
    }
    assert {"begin_image", "lock_name"} <= own
    mixed = set()
    for each in sent:
        statement = read(each.text, each.values, KEY)
        if statement.of(DISTRIBUTED) and each.entry not in ALL_COLLECTIONS:
            others = {use.table for use in statement.of(LOCAL)} | (statement.functions & own)
            mixed |= {(each.entry, other) for other in others}
    assert mixed == set(NOT_ON_ONE_WORKER)


def test_functions_of_the_schema_read_one_collection(connection: psycopg.Connection) -> None:
    rows = connection.execute(
        "SELECT proname, pg_get_functiondef(oid) FROM pg_proc"
        " WHERE pronamespace = 'public'::regnamespace AND prorettype <> 'trigger'::regtype"
        " AND prolang = (SELECT oid FROM pg_language WHERE lanname = 'plpgsql')"
    ).fetchall()
    checked = 0
    for name, definition in rows:
        for query in queries(pgparse.parse_pgsql(definition)):
            uses = read(query, (), KEY, variables=True).of(DISTRIBUTED)
            assert all(use.keys == {("variable", "wanted_collection")} for use in uses), name
            checked += len(uses)
    assert checked >= 2


def queries(part: Any) -> Iterator[str]:
    """Yield the statements in a function that was parsed."""
    for each in part if isinstance(part, list) else part.values():
        if isinstance(each, dict) and each.get("parseMode") == 0:
            yield each["query"]
        elif isinstance(each, dict | list):
            yield from queries(each)


def test_each_table_has_a_place(connection: psycopg.Connection) -> None:
    tables = {
        str(name)
        for (name,) in connection.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r'"
            " AND relnamespace = 'public'::regnamespace"
        )
    }
    assert tables == DISTRIBUTED | REFERENCE | LOCAL
    assert len(tables) == len(DISTRIBUTED) + len(REFERENCE) + len(LOCAL)
    rows = dict(
        re.findall(r"^\| (distributed|reference|local)\b[^|]*\| ([^|]*) \|", PAGE.read_text(), re.M)
    )
    for kind, names in (("distributed", DISTRIBUTED), ("reference", REFERENCE), ("local", LOCAL)):
        assert set(re.findall(r"`(\w+)`", rows[kind])) == names


def test_unique_keys_of_distributed_tables_have_the_collection(
    connection: psycopg.Connection,
) -> None:
    rows = connection.execute(
        "SELECT indrelid::regclass::text, indexrelid::regclass::text, ARRAY("
        " SELECT attname::text FROM pg_attribute WHERE attrelid = indrelid"
        " AND attnum = ANY(indkey::smallint[])) FROM pg_index WHERE indisunique"
    ).fetchall()
    found = {index: columns for table, index, columns in rows if table in DISTRIBUTED}
    assert {table for table, _, _ in rows} >= DISTRIBUTED
    assert [index for index, columns in found.items() if KEY not in columns] == []


def test_foreign_keys_stay_on_one_worker(connection: psycopg.Connection) -> None:
    rows = connection.execute(
        "SELECT conrelid::regclass::text, confrelid::regclass::text, conname::text,"
        " ARRAY(SELECT attname::text FROM unnest(conkey) AS number JOIN pg_attribute"
        "  ON attrelid = conrelid AND attnum = number),"
        " ARRAY(SELECT attname::text FROM unnest(confkey) AS number JOIN pg_attribute"
        "  ON attrelid = confrelid AND attnum = number)"
        " FROM pg_constraint WHERE contype = 'f'"
    ).fetchall()
    crossing = []
    for table, target, name, columns, referenced in rows:
        same = table in DISTRIBUTED and (KEY, KEY) in zip(columns, referenced, strict=True)
        if not (
            (target in DISTRIBUTED and same)
            or (target in REFERENCE and table in DISTRIBUTED | REFERENCE)
            or (table in LOCAL and target in LOCAL)
        ):
            crossing.append(name)
    assert len(rows) > 10
    assert crossing == []


def test_the_page_lists_what_a_distributed_postgres_does_not_run(
    connection: psycopg.Connection,
) -> None:
    triggers = {
        str(name)
        for name, table in connection.execute(
            "SELECT tgname, tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal"
        )
        if table in DISTRIBUTED
    }
    assert triggers == TRIGGERS
    page = PAGE.read_text()
    for name in (*TRIGGERS, *(entry for entry, _ in NOT_ON_ONE_WORKER), *ALL_COLLECTIONS):
        assert f"`{name}`" in page
