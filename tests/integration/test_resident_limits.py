"""Without the memory, the log or the library, searches are answered by SQL, and heal."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from facedex.gallery import resident as gallery_resident
from facedex.store import copies, faces, schema, users
from facedex.store.continuous import ContinuousResidents
from facedex.store.database import Connection, Database
from facedex.store.search import search_users
from facedex.store.store_errors import DatabaseUnavailable
from facedex_local.postgres.cluster import Postgres
from tests.integration.galleries import Vectors, make, unit_vectors
from tests.integration.residents import SIZE, answers, fill, find, log_changes, warm

# The migrations of the last release.
_LAST_RELEASE = "0013"


def test_small_galleries_and_those_above_the_limit_are_searched_in_sql(
    database: Database, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    collection = make(database)
    vectors = unit_vectors(50)
    fill(database, "staff", vectors)
    for memory, smallest, large in ((64 << 20, 51, 0), (1000, 10, 1)):
        other = Database(database_url)
        other.residents = residents = ContinuousResidents(other, memory, smallest=smallest)
        for _ in range(3):
            assert find(other, collection, vectors) == find(database, collection, vectors)
            assert residents.settle()
        assert residents.resident_bytes == residents.events["answers"] == 0
        assert residents.events["too_large"] == large
        other.close()
    assert caplog.text.count("does not fit into FACEDEX_GALLERY_MEMORY") == 1


def test_the_least_recently_used_copy_leaves(database: Database, database_url: str) -> None:
    vectors = unit_vectors(1000)
    made = [make(database, name) for name in ("one", "two", "three")]
    for each in made:
        fill(database, each.collection_id, vectors)
    other = Database(database_url)
    memory = gallery_resident.memory_of(1100, 128) * 5 // 2
    other.residents = residents = ContinuousResidents(other, memory, smallest=10)
    for each in (made[0], made[1], made[0], made[2]):
        find(other, each, vectors[:1])
        assert residents.settle()
    assert residents.events["evictions"] == 1
    before = answers(other)
    find(other, made[0], vectors[:1])
    find(other, made[2], vectors[:1])
    assert answers(other) == before + 2
    assert residents.resident_bytes <= memory
    other.close()


def test_a_reader_that_fell_behind_the_log_reads_the_gallery_again(
    database: Database, resident_database: Database
) -> None:
    collection = make(database)
    vectors = unit_vectors(SIZE)
    ids = fill(database, "staff", vectors)
    warm(resident_database, collection, vectors)
    with database.transaction() as connection:
        faces.delete(connection, collection, ids[:1])
    prune_all(database)
    residents = resident_database.residents
    assert residents
    for expected in (0, 0, 1):
        before = answers(resident_database)
        assert find(resident_database, collection, vectors[:1]) == find(
            database, collection, vectors[:1]
        )
        assert residents.settle()
        time.sleep(0.3)
        assert answers(resident_database) - before == expected
    assert residents.events["loads"] == 2
    assert residents.events["fallbacks: the copy is not current"] == 1


def prune_now(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute("UPDATE gallery_log SET next_at = now()")
    copies.prune(database)


def prune_all(database: Database) -> None:
    """Remove all changes from the log.

    Those since the begin of any transaction that is open are kept, such as autovacuum's own, which
    may begin at any time.
    """

    def is_empty() -> bool:
        prune_now(database)
        return changes(database) == 0

    eventually(is_empty)


def changes(database: Database) -> int:
    with database.reading() as connection:
        return connection.execute("SELECT FROM gallery_changes").rowcount


def test_transaction_ids_of_a_restored_backup_do_not_keep_searches_in_sql(
    database: Database, resident_database: Database
) -> None:
    """They are from another server, which had used more of them."""
    collection = make(database)
    vectors = unit_vectors(SIZE)
    fill(database, "staff", vectors)
    log_changes(database, collection, 6000, 9_000_000_000)
    with database.transaction() as connection:
        connection.execute("UPDATE collections SET replaced_by = '9000000000'")
    prune_now(database)
    warm(resident_database, collection, vectors)
    assert find(resident_database, collection, vectors) == find(database, collection, vectors)
    assert answers(resident_database) == 1


def test_the_log_is_pruned_only_when_it_is_due(database: Database) -> None:
    make(database)
    fill(database, "staff", unit_vectors(5))
    prune_now(database)
    copies.prune(database)
    assert changes(database) == 5
    prune_all(database)


def test_a_database_without_the_log_is_searched_in_sql(
    database: Database, resident_database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    collection = make(database)
    vectors = unit_vectors(SIZE)
    fill(database, "staff", vectors)
    warm(resident_database, collection, vectors)
    with database.transaction() as connection:
        connection.execute("DROP TABLE gallery_log")
    for _ in range(3):
        assert find(resident_database, collection, vectors) == find(database, collection, vectors)
    residents = resident_database.residents
    assert residents
    assert residents.resident_bytes == answers(resident_database) == 0
    assert caplog.text.count("no log of changes") == 1


@pytest.mark.parametrize("where", ["loader", "search"])
def test_without_memory_searches_are_answered_by_sql(
    database: Database,
    resident_database: Database,
    where: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    collection = make(database)
    vectors = unit_vectors(SIZE)
    fill(database, "staff", vectors)
    if where == "search":
        warm(resident_database, collection, vectors)
    fail = _raising(MemoryError())
    monkeypatch.setattr(gallery_resident.Resident, where, fail)
    residents = resident_database.residents
    assert residents
    for _ in range(3):
        assert find(resident_database, collection, vectors) == find(database, collection, vectors)
        assert residents.settle()
    assert answers(resident_database) == 0
    assert residents.events["fallbacks"] >= 1
    (logged,) = [each for each in caplog.records if "by SQL instead of" in each.message]
    assert "MemoryError" in logged.message
    assert logged.exc_info, "the log has no traceback"
    monkeypatch.undo()
    residents._refused.clear()
    warm(resident_database, collection, vectors)
    find(resident_database, collection, vectors)
    assert answers(resident_database) == 1


def _raising(error: Exception) -> Callable[..., Any]:
    def fail(*_arguments: Any, **_options: Any) -> Any:
        raise error

    return fail


def test_galleries_of_the_last_release_are_copied_after_the_migration(
    database_url: str,
) -> None:
    database = Database(database_url)
    vectors = unit_vectors(100)
    with database.transaction() as connection:
        schema._applied_names(connection)
        for name, statements in schema._migrations():
            if name[:4] <= _LAST_RELEASE:
                connection.execute("SELECT set_config('facedex.region', 'us-east-1', true)")
                connection.execute(statements)
                connection.execute("INSERT INTO schema_migrations (name) VALUES (%s)", (name,))
    collection = make(database)
    with database.transaction() as connection:
        for number, vector in enumerate(vectors):
            write_as_the_last_release(connection, number, vector)
        users.create(connection, collection, "without faces")
    schema.migrate(database)
    with database.transaction() as connection:
        # A process of the last release goes on.
        for number, vector in enumerate(unit_vectors(120)[100:], 100):
            write_as_the_last_release(connection, number, vector)
    other = Database(database_url)
    other.residents = residents = ContinuousResidents(other, 64 << 20, smallest=10)
    for _ in range(2):
        found = find(other, collection, vectors[:20], limit=3)
        assert found == find(database, collection, vectors[:20], limit=3)
        assert [match[0].face.user_id for match in found] == [f"user {n}" for n in range(20)]
        for number in (0, 119):
            with other.reading() as connection:
                (best, *_) = search_users(
                    connection, collection, unit_vectors(120)[number], limit=3, min_score=0.5
                )
            assert best.user_id == f"user {number}"
        assert residents.settle()
    # The copies may be ready before the end of the first round.
    assert answers(other) >= 3
    assert residents.resident_vectors == 240
    other.close()
    database.close()


def write_as_the_last_release(connection: Connection, number: int, vector: Vectors) -> None:
    names = {"vector": vector.tolist(), "user": f"user {number}"}
    connection.execute(
        "INSERT INTO users (collection_key, user_id) SELECT collection_key, %(user)s"
        " FROM collections",
        names,
    )
    connection.execute(
        "INSERT INTO faces (collection_key, face_id, image_id, image_digest, face_number, box_left,"
        " box_top, box_width, box_height, confidence, vector, user_id) SELECT collection_key,"
        " gen_random_uuid(), gen_random_uuid(), '', 0, 0, 0, 1, 1, 99, %(vector)s::real[]::halfvec,"
        " %(user)s FROM collections",
        names,
    )
    connection.execute(
        "UPDATE users SET vector = %(vector)s::real[]::halfvec WHERE user_id = %(user)s", names
    )
    connection.execute(
        "INSERT INTO collection_counts (collection_key, slot, faces, users)"
        " SELECT collection_key, 0, 1, 1 FROM collections"
        " ON CONFLICT (collection_key, slot) DO UPDATE SET"
        " faces = collection_counts.faces + 1, users = collection_counts.users + 1"
    )


def test_a_process_that_cannot_reach_the_database_drops_its_copies(
    database: Database,
    database_url: str,
    postgres: Postgres,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("facedex.store.continuous._REFRESH", 0.1)
    monkeypatch.setattr("facedex.store.continuous._ABANDON", 1.0)
    collection = make(database)
    vectors = unit_vectors(SIZE)
    fill(database, "staff", vectors)
    patience = 60.0
    other = Database(database_url, patience=lambda: patience)
    other.residents = residents = ContinuousResidents(other, 64 << 20, smallest=10)
    warm(other, collection, vectors)
    patience = 0.2
    name = psycopg.conninfo.conninfo_to_dict(database_url)["dbname"]
    with psycopg.connect(postgres.url, autocommit=True) as administrator:
        administrator.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        administrator.execute(
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname = %s",
            (name,),
        )
        eventually(lambda: residents.resident_bytes == 0)
        administrator.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    patience = 60.0
    eventually(lambda: reachable(other))
    residents._refused.clear()
    warm(other, collection, vectors)
    find(other, collection, vectors[:1])
    assert answers(other) == 1
    other.close()


def eventually(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def reachable(database: Database) -> bool:
    try:
        database.ping()
    except DatabaseUnavailable:
        return False
    return True
