from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from threading import Event
from uuid import UUID, uuid4

import numpy as np
import psycopg
import pytest

from facedex.store import adding, collections, faces, schema
from facedex.store.collections import Collection
from facedex.store.database import Database
from facedex.store.search import search
from facedex.store.store_errors import (
    CollectionExists,
    CollectionNotFound,
    DatabaseUnavailable,
    FaceNotFound,
    ModelMismatch,
)
from tests.integration.galleries import MODEL, count, index, make, unit_vectors


def test_migrating_again_changes_nothing(database: Database) -> None:
    assert schema.migrate(database) == []


def test_two_processes_may_migrate_at_once(database_url: str) -> None:
    databases = [Database(database_url) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        applied = list(threads.map(schema.migrate, databases))
    for each in databases:
        each.close()
    scripts = [script for each in applied for script in each]
    assert scripts
    assert sorted(scripts) == sorted(set(scripts))


def test_the_signing_secret_is_the_same_for_every_process_and_as_long_as_two_uuids(
    database: Database, database_url: str
) -> None:
    other = Database(database_url)
    assert other.signing_secret == database.signing_secret
    assert len(database.signing_secret) == 32
    other.close()


def test_a_collection_name_can_be_taken_once(database: Database) -> None:
    make(database)
    with pytest.raises(CollectionExists, match="staff already exists"):
        make(database)


def test_only_one_of_many_concurrent_creations_of_a_collection_succeeds(database: Database) -> None:
    def attempt(_: int) -> bool:
        try:
            make(database)
        except CollectionExists:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(attempt, range(8))) == 1


def test_a_deleted_face_is_gone_and_an_unknown_one_is_ignored(database: Database) -> None:
    collection = make(database)
    first, second = index(database, "staff", b"photo", unit_vectors(2))
    with database.transaction() as connection:
        assert faces.delete(connection, collection, [first.face_id, uuid4()]) == {first.face_id}
    with database.transaction() as connection:
        left = faces.page(connection, collection, after=None, limit=10)
    assert left == [second]
    assert count(database, collection) == 1


def test_a_deleted_collection_leaves_no_row_and_frees_its_name(database: Database) -> None:
    collection = make(database)
    index(database, "staff", b"photo", unit_vectors(5))
    collections.delete(database, "staff")
    with database.transaction() as connection:
        for table in ("faces", "collection_counts", "collections"):
            rows = connection.execute(
                f"SELECT 1 FROM {table} WHERE collection_key = %s", (collection.key,)
            ).fetchall()
            assert rows == []
    assert count(database, make(database)) == 0


def test_a_deletion_that_was_cut_off_is_finished_by_the_next_sweep(database: Database) -> None:
    collection = make(database)
    index(database, "staff", b"photo", unit_vectors(5))
    with database.transaction() as connection:
        connection.execute("UPDATE collections SET deleted_at = now()")
    with database.transaction() as connection, pytest.raises(CollectionNotFound):
        collections.find(connection, "staff")
    collections.sweep(database)
    with database.transaction() as connection:
        assert connection.execute("SELECT 1 FROM faces").fetchall() == []
    assert count(database, collection) == 0


def test_indexing_during_a_deletion_leaves_no_face(database: Database) -> None:
    make(database)
    under_way = Event()

    def add(number: int) -> int:
        for image in range(10_000):
            try:
                index(database, "staff", f"{number}/{image}".encode(), unit_vectors(2))
            except CollectionNotFound:
                return image
            under_way.set()
        raise AssertionError("the collection was never deleted")

    def remove() -> None:
        under_way.wait()
        collections.delete(database, "staff")

    with ThreadPoolExecutor(5) as threads:
        writers = [threads.submit(add, number) for number in range(4)]
        threads.submit(remove).result()
        assert sum(writer.result() for writer in writers) > 0
    with database.transaction() as connection:
        assert connection.execute("SELECT count(*) AS n FROM faces").fetchone() == (0,)


def test_the_count_equals_the_rows_after_a_storm(database: Database) -> None:
    collection = make(database)

    def storm(number: int) -> None:
        for turn in range(15):
            stored = index(database, "staff", f"{number % 3}/{turn}".encode(), unit_vectors(3))
            if turn % 2:
                with database.transaction() as connection:
                    faces.delete(connection, collection, [face.face_id for face in stored[:2]])

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(storm, range(8)))
    with database.transaction() as connection:
        row = connection.execute("SELECT count(*) AS n FROM faces").fetchone()
    assert row is not None
    assert row.n > 0
    assert count(database, collection) == row.n


def test_pages_hold_every_face_once_in_the_order_of_ids(database: Database) -> None:
    collection = make(database)
    for image in range(10):
        index(database, "staff", str(image).encode(), unit_vectors(3, seed=image))
    seen: list[UUID] = []
    with database.transaction() as connection:
        while page := faces.page(connection, collection, after=seen[-1] if seen else None, limit=7):
            seen.extend(face.face_id for face in page)
    assert len(seen) == 30
    assert seen == sorted(set(seen))


def test_search_ranks_as_the_inner_product_does(database: Database) -> None:
    collection = make(database)
    gallery = unit_vectors(200)
    ids = [face.face_id for face in index(database, "staff", b"photo", gallery)]
    probes = unit_vectors(3, seed=9)
    with database.transaction() as connection:
        found = search(connection, collection, list(probes), limit=10, min_score=-1.0)
    for probe, matches in zip(probes, found, strict=True):
        scores = gallery @ probe
        expected = np.argsort(-scores)[:10]
        assert [match.face.face_id for match in matches] == [ids[i] for i in expected]
        assert [match.score for match in matches] == pytest.approx(scores[expected], abs=2e-3)


def test_search_respects_the_minimum_score_the_limit_and_the_exclusion(
    database: Database,
) -> None:
    collection = make(database)
    gallery = unit_vectors(50)
    stored = index(database, "staff", b"photo", gallery)
    scores = gallery @ gallery[7]
    floor = float(np.sort(scores)[-6] - 1e-3)
    with database.transaction() as connection:
        probe = faces.vector(connection, collection, stored[7].face_id)
        (matches,) = search(
            connection,
            collection,
            [probe],
            limit=3,
            min_score=floor,
            exclude=stored[7].face_id,
        )
        (every,) = search(connection, collection, [probe], limit=50, min_score=floor)
    assert len(matches) == 3
    assert stored[7].face_id not in {match.face.face_id for match in matches}
    assert len(every) == 6
    assert every[0].face.face_id == stored[7].face_id


def test_a_search_that_is_repeated_finds_what_was_added_and_not_what_was_removed(
    database: Database,
) -> None:
    """This also holds after many searches, when the database has cached the plan."""
    staff, guests = make(database), make(database, "guests")
    gallery = unit_vectors(40)

    def found(collection: Collection) -> int:
        with database.reading() as connection:
            (matches,) = search(connection, collection, [gallery[0]], limit=99, min_score=-1.0)
        return len(matches)

    for number in range(20):
        assert found(staff) == number
        assert found(guests) == 0
        index(database, "staff", str(number).encode(), gallery[number : number + 1])
    with database.transaction() as connection:
        every = faces.page(connection, staff, after=None, limit=99)
        faces.delete(connection, staff, [face.face_id for face in every[:15]])
    assert found(staff) == 5


def test_search_sees_one_collection_only(database: Database) -> None:
    staff, guests = make(database), make(database, "guests")
    index(database, "staff", b"photo", unit_vectors(3))
    with database.transaction() as connection:
        (found,) = search(connection, guests, [unit_vectors(3)[0]], limit=9, min_score=-1.0)
        assert found == []
        (found,) = search(connection, staff, [unit_vectors(3)[0]], limit=9, min_score=-1.0)
        assert len(found) == 3


def test_vectors_of_another_model_are_refused(database: Database) -> None:
    make(database)
    with (
        database.transaction() as connection,
        pytest.raises(ModelMismatch, match=r"staff was moved from the model other-2 to test-1"),
    ):
        adding.add(
            connection,
            collections.find(connection, "staff", for_update=True),
            adding.NewImage(model_version="other-2", digest=b"", external_image_id=None, faces=[]),
        )


def test_the_vector_of_an_unknown_face_is_an_error(database: Database) -> None:
    collection = make(database)
    with database.transaction() as connection, pytest.raises(FaceNotFound):
        faces.vector(connection, collection, uuid4())


@pytest.mark.parametrize("seconds", [0, 0.3])
def test_a_connection_that_the_server_cut_is_replaced(database: Database, seconds: float) -> None:
    make(database)
    with database.transaction() as connection:
        connection.execute("SELECT 1")
        (pid,) = connection.execute("SELECT pg_backend_pid()").fetchone() or (0,)
    with psycopg.connect(connection.info.dsn, autocommit=True) as admin:
        admin.execute("SELECT pg_terminate_backend(%s, 60000)", (pid,))
    time.sleep(seconds)  # a connection that was used a moment ago is not asked whether it works
    with database.transaction() as connection:
        assert collections.find(connection, "staff").collection_id == "staff"


def test_a_statement_that_takes_too_long_is_cancelled(database_url: str) -> None:
    short_timeouts = Database(database_url, statement_timeout=1.0)
    with pytest.raises(DatabaseUnavailable), short_timeouts.transaction() as connection:
        connection.execute("SELECT pg_sleep(30)")
    short_timeouts.ping()
    short_timeouts.close()


def test_a_missing_database_is_reported_as_unavailable() -> None:
    nowhere = Database("postgresql://127.0.0.1:1/none")
    with pytest.raises(DatabaseUnavailable, match="try again"):
        nowhere.ping()
    nowhere.close()


def test_a_transaction_after_a_reading_that_failed_is_still_rolled_back(database_url: str) -> None:
    with closing(Database(database_url, connections=1)) as database:
        schema.migrate(database)
        with pytest.raises(psycopg.errors.UndefinedTable), database.reading() as connection:
            connection.execute("SELECT * FROM no_such_table")
        with suppress(KeyError), database.transaction() as connection:
            collections.create(connection, "staff", MODEL)
            raise KeyError
        with pytest.raises(CollectionNotFound), database.reading() as connection:
            collections.find(connection, "staff")


def test_a_manually_cancelled_migration_is_not_reported_as_a_timeout(
    database_url: str,
) -> None:
    waiting = "FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'"
    with (
        closing(Database(database_url)) as database,
        psycopg.connect(database_url, autocommit=True) as operator,
        ThreadPoolExecutor(1) as threads,
    ):
        operator.execute("SELECT pg_advisory_lock(%s)", (schema._LOCK,))
        migrating = threads.submit(schema.migrate, database)
        while not operator.execute(f"SELECT pg_cancel_backend(pid) {waiting}").fetchone():
            time.sleep(0.01)
        with pytest.raises(DatabaseUnavailable, match="QueryCanceled"):
            migrating.result()
