"""Searches of galleries in memory return what SQL returns, whatever is written meanwhile."""

from __future__ import annotations

import numpy as np
import pytest

from facedex.store import associations, collections, faces, users
from facedex.store.database import Database
from facedex.store.search import search, search_users
from facedex.store.store_errors import CollectionNotFound, ModelMismatch
from tests.integration.galleries import index, make, unit_vectors
from tests.integration.residents import SIZE, answers, fill, find, log_changes, near, warm


def test_memory_and_sql_give_the_same_answers(
    database: Database, resident_database: Database
) -> None:
    collection = make(database)
    people = unit_vectors(60)
    fill(database, "staff", near(np.repeat(people, 6, axis=0)))
    fill(database, "staff", np.repeat(people[:1], 40, axis=0), "equal")
    warm(resident_database, collection, people)
    for options in (
        {},
        {"limit": 1},
        {"limit": 4096},
        {"min_score": -1.0},
        {"min_score": 0.999},
        {"min_score": 0.9, "limit": 3},
    ):
        before = answers(resident_database)
        assert find(resident_database, collection, people, **options) == find(
            database, collection, people, **options
        )
        assert answers(resident_database) == before + 1


def test_a_face_is_found_at_once_and_a_deleted_one_is_not(
    database: Database, resident_database: Database
) -> None:
    collection = make(database)
    vectors = unit_vectors(SIZE + 50)
    ids = fill(database, "staff", vectors[:SIZE])
    warm(resident_database, collection, vectors)
    for number in range(20):
        new = vectors[SIZE + number]
        (face,) = index(database, "staff", f"new {number}".encode(), new[None])
        (found,) = find(resident_database, collection, new[None])
        assert found[0].face.face_id == face.face_id
        with database.transaction() as connection:
            faces.delete(connection, collection, [face.face_id, ids[number]])
        (found,) = find(resident_database, collection, new[None])
        assert face.face_id not in [match.face.face_id for match in found]
        (found,) = find(resident_database, collection, vectors[number][None])
        assert ids[number] not in [match.face.face_id for match in found]
    assert answers(resident_database) == 60


def test_changes_become_part_of_the_copy_and_deleted_faces_leave_it(
    database: Database, resident_database: Database
) -> None:
    collection = make(database)
    vectors = unit_vectors(SIZE + 100)
    ids = fill(database, "staff", vectors[:SIZE])
    warm(resident_database, collection, vectors)
    fill(database, "staff", vectors[SIZE:], "new")
    with database.transaction() as connection:
        faces.delete(connection, collection, ids[:50])
    residents = resident_database.residents
    assert residents
    find(resident_database, collection, vectors[:1])
    assert residents.settle()
    assert residents.resident_vectors == SIZE + 50
    assert find(resident_database, collection, vectors[:80]) == find(
        database, collection, vectors[:80]
    )


def test_an_open_transaction_is_seen_when_it_commits(
    database: Database, resident_database: Database
) -> None:
    """The copy is made while a writer with an older transaction id has not committed yet."""
    collection = make(database)
    vectors = unit_vectors(SIZE + 2)
    fill(database, "staff", vectors[:SIZE])
    with database.transaction() as slow:
        slow.execute(
            "INSERT INTO faces (collection_key, face_id, image_id, image_digest, face_number,"
            " box_left, box_top, box_width, box_height, confidence, vector)"
            " SELECT collection_key, gen_random_uuid(), gen_random_uuid(), '', 0, 0, 0, 1, 1, 99,"
            " %s::real[]::vector::halfvec FROM collections",
            (vectors[SIZE].tolist(),),
        )
        index(database, "staff", b"later", vectors[SIZE + 1 :])
        warm(resident_database, collection, vectors)
        (found,) = find(resident_database, collection, vectors[SIZE : SIZE + 1], min_score=0.9)
        assert found == []
    (found,) = find(resident_database, collection, vectors[SIZE : SIZE + 1], min_score=0.9)
    assert len(found) == 1
    residents = resident_database.residents
    assert residents
    assert residents.settle()
    (found,) = find(resident_database, collection, vectors[SIZE : SIZE + 1], min_score=0.9)
    assert len(found) == 1
    assert answers(resident_database) == 3


def test_users_are_found_by_their_current_vectors(
    database: Database, resident_database: Database
) -> None:
    collection = make(database)
    vectors = unit_vectors(80)
    ids = fill(database, "staff", vectors)
    with database.transaction() as connection:
        for number in range(40):
            users.create(connection, collection, f"user {number}")
            associations.associate(
                connection, collection, f"user {number}", [ids[number]], min_score=-1
            )

    def best(probe: int, where: Database = resident_database) -> list[str]:
        with where.reading() as connection:
            found = search_users(connection, collection, vectors[probe], limit=5, min_score=0.6)
        return [each.user_id for each in found]

    best(0)
    residents = resident_database.residents
    assert residents
    assert residents.settle()
    assert residents.resident_vectors == 40
    assert best(3) == ["user 3"]
    with database.transaction() as connection:
        associations.associate(connection, collection, "user 3", [ids[43]], min_score=-1)
        associations.disassociate(connection, collection, "user 4", [ids[4]])
        users.create(connection, collection, "new")
        associations.associate(connection, collection, "new", [ids[50]], min_score=-1)
        users.delete(connection, collection, "user 5")
    for _ in range(2):
        for probe, expected in ((43, ["user 3"]), (3, ["user 3"]), (4, []), (50, ["new"]), (5, [])):
            assert best(probe) == expected == best(probe, database)
        assert residents.settle()
    assert residents.resident_vectors == 39
    assert answers(resident_database) == 11


def test_deleted_and_upgraded_collections_are_reported(
    database: Database, resident_database: Database
) -> None:
    collection = make(database)
    vectors = unit_vectors(50)
    fill(database, "staff", vectors)
    warm(resident_database, collection, vectors)
    with database.transaction() as connection:
        connection.execute("UPDATE collections SET model_version = 'other'")
    with pytest.raises(ModelMismatch):
        find(resident_database, collection, vectors[:1])
    with database.transaction() as connection:
        connection.execute("UPDATE collections SET model_version = 'test-1'")
    # The same model, but perhaps other vectors.
    assert find(resident_database, collection, vectors[:1]) == find(
        database, collection, vectors[:1]
    )
    assert answers(resident_database) == 0
    collections.delete(database, "staff")
    with pytest.raises(CollectionNotFound):
        find(resident_database, collection, vectors[:1])


def test_deleted_candidates_make_the_search_look_further(
    database: Database, resident_database: Database
) -> None:
    """All candidates of the copy are deleted before the statement compares them."""
    collection = make(database)
    people = unit_vectors(20)
    vectors = near(np.repeat(people, 20, axis=0))
    ids = fill(database, "staff", vectors)
    warm(resident_database, collection, vectors)
    with database.transaction() as connection:
        faces.delete(connection, collection, ids[:19])
    found = find(resident_database, collection, people[:1], limit=5, min_score=-1.0)
    assert found == find(database, collection, people[:1], limit=5, min_score=-1.0)
    residents = resident_database.residents
    assert residents
    assert residents.events["widenings"] >= 1
    assert answers(resident_database) == 1


def test_sql_looks_further_in_a_transaction(
    database: Database, resident_database: Database
) -> None:
    """A copy that is brought up to date meanwhile lacks what an older snapshot sees."""
    collection = make(database)
    vectors = near(np.repeat(unit_vectors(20), 20, axis=0))
    ids = fill(database, "staff", vectors)
    warm(resident_database, collection, vectors)
    with database.transaction() as connection:
        faces.delete(connection, collection, ids[:19])
    expected = find(database, collection, vectors[:1], limit=5, min_score=-1.0)
    with resident_database.transaction() as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        found = search(connection, collection, [vectors[0]], limit=5, min_score=-1.0)
    assert found == expected
    residents = resident_database.residents
    assert residents
    assert residents.events["widenings"] == answers(resident_database) == 0
    assert residents.events["fallbacks: the transaction may keep its snapshot"] == 1


def test_a_transaction_with_an_older_snapshot_is_answered_for_that_snapshot(
    database: Database, resident_database: Database
) -> None:
    collection = make(database)
    vectors = unit_vectors(SIZE)
    ids = fill(database, "staff", vectors)
    warm(resident_database, collection, vectors)
    with resident_database.transaction() as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        (old,) = search(connection, collection, [vectors[0]], limit=5, min_score=0.9)
        assert len(old) == answers(resident_database) == 1
        with database.transaction() as writer:
            faces.delete(writer, collection, ids[:1])
        assert find(resident_database, collection, vectors[:1], min_score=0.9) == [[]]
        residents = resident_database.residents
        assert residents
        assert residents.settle()
        assert search(connection, collection, [vectors[0]], limit=5, min_score=0.9) == [old]
        assert residents.events["fallbacks: the copy is not current"] == 1
    assert find(resident_database, collection, vectors[:1], min_score=0.9) == [[]]


def test_postgres_keeps_the_plan_of_a_search(
    database: Database, resident_database: Database
) -> None:
    """Planning takes as long as the search itself; the plan has to suit a long log as well."""
    collection = make(database)
    vectors = unit_vectors(SIZE)
    fill(database, "staff", vectors)
    warm(resident_database, collection, vectors)
    log_changes(database, collection, 50_000, 3)
    with database.autocommit() as connection:
        connection.execute("ANALYZE gallery_changes")
    with resident_database.reading() as connection:
        for number in range(15):
            search(connection, collection, [vectors[number]], limit=10, min_score=0.1)
        (plan,) = connection.execute(
            "SELECT name, generic_plans, cardinality(parameter_types) AS parameters"
            " FROM pg_prepared_statements"
            " WHERE statement LIKE '%%gallery_changes%%'"
        ).fetchall()
        assert plan.generic_plans >= 5
        nulls = ", ".join(["NULL"] * plan.parameters)
        lines = connection.execute(f"EXPLAIN EXECUTE {plan.name}({nulls})").fetchall()
    assert any("gallery_changes_by_transaction" in line[0] for line in lines)
    assert not any("Seq Scan on gallery_changes" in line[0] for line in lines)
