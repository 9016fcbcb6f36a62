"""Adding of faces to a collection: each is stored once, and writers do not block each other."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from threading import Barrier
from uuid import UUID

import pytest

from facedex.store import adding, collections, faces, schema
from facedex.store.collections import Collection
from facedex.store.database import Connection, Database
from facedex.store.store_errors import CollectionNotFound
from tests.integration.galleries import (
    MODEL,
    count,
    index,
    make,
    place,
    unit_vectors,
    wait_for_one_that_waits,
)


def test_the_same_image_gives_the_same_face_ids_and_is_counted_once(database: Database) -> None:
    collection = make(database)
    vectors = unit_vectors(3)
    first = index(database, "staff", b"photo", vectors)
    again = index(database, "staff", b"photo", vectors)
    assert again == first
    assert count(database, collection) == 3


def test_another_external_id_makes_other_faces_of_the_same_image(database: Database) -> None:
    collection = make(database)
    first = index(database, "staff", b"photo", unit_vectors(1), "ann")
    second = index(database, "staff", b"photo", unit_vectors(1), "ben")
    assert first[0].face_id != second[0].face_id
    assert first[0].image_id != second[0].image_id
    assert count(database, collection) == 2


def test_a_repeated_call_with_more_faces_adds_only_the_new_ones(database: Database) -> None:
    collection = make(database)
    vectors = unit_vectors(3)
    (largest,) = index(database, "staff", b"photo", vectors[:1])
    every = index(database, "staff", b"photo", vectors)
    assert every[0].face_id == largest.face_id
    assert count(database, collection) == 3


def test_a_face_keeps_its_id_when_the_detector_ranks_or_places_it_a_little_differently(
    database: Database,
) -> None:
    make(database)
    first, second = index(database, "staff", b"photo", unit_vectors(2))

    def moved(face: faces.StoredFace) -> adding.NewFace:
        left, top, width, height = face.box
        return adding.NewFace((left + 0.003, top, width * 1.1, height), 99.0, unit_vectors(1)[0])

    elsewhere = adding.NewFace((0.5, 0.5, 0.1, 0.1), 99.0, unit_vectors(1)[0])
    with database.transaction() as connection:
        again = adding.add(
            connection,
            collections.find(connection, "staff", for_update=True),
            adding.NewImage(
                model_version=MODEL,
                digest=sha256(b"photo").digest(),
                external_image_id=None,
                faces=[moved(second), elsewhere, moved(first)],
            ),
        )
    assert (again[0], again[2]) == (second, first)
    assert again[1].face_id not in (first.face_id, second.face_id)


def test_the_same_image_indexed_by_many_at_once_is_stored_once(database: Database) -> None:
    collection = make(database)
    vectors = unit_vectors(4)
    start = Barrier(8)

    def attempt(_: int) -> list[UUID]:
        start.wait()
        return [face.face_id for face in index(database, "staff", b"photo", vectors)]

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(attempt, range(8)))
    assert all(answer == answers[0] for answer in answers)
    assert count(database, collection) == 4


def index_new(database: Database, seen: Collection, image: bytes) -> list[faces.StoredFace]:
    """Store four faces if the image is new."""
    with database.autocommit() as connection:
        return adding.add_new(
            connection,
            seen,
            adding.NewImage(
                model_version=MODEL,
                digest=sha256(image).digest(),
                external_image_id=None,
                faces=[
                    adding.NewFace(place(number), 99.5, vector)
                    for number, vector in enumerate(unit_vectors(4))
                ],
            ),
        )


def test_a_new_image_is_stored_like_any_other(database: Database) -> None:
    collection = make(database)
    stored = index_new(database, collection, b"photo")
    assert index(database, "staff", b"photo", unit_vectors(4)) == stored
    assert count(database, collection) == 4
    with database.reading() as connection:
        page = faces.page(connection, collection, after=None, limit=9)
    assert sorted(stored, key=lambda face: face.face_id) == page


def test_a_known_image_is_not_stored_again(database: Database) -> None:
    collection = make(database)
    index(database, "staff", b"photo", unit_vectors(1))
    assert index_new(database, collection, b"photo") == []
    assert count(database, collection) == 1


def test_nothing_is_stored_in_a_deleted_collection(database: Database) -> None:
    collection = make(database)
    collections.delete(database, "staff")
    make(database)
    assert index_new(database, collection, b"photo") == []
    with database.reading() as connection:
        assert connection.execute("SELECT FROM faces").fetchall() == []


def test_new_faces_of_another_model_are_not_stored(database: Database) -> None:
    with database.transaction() as connection:
        collection = collections.create(connection, "staff", "other-2")
    assert index_new(database, collection, b"photo") == []
    with database.reading() as connection:
        assert connection.execute("SELECT FROM faces").fetchall() == []


def test_a_new_image_indexed_by_many_at_once_is_stored_once(database: Database) -> None:
    collection = make(database)
    start = Barrier(8)

    def attempt(_: int) -> list[faces.StoredFace]:
        start.wait()
        return index_new(database, collection, b"photo")

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(attempt, range(8)))
    assert sorted(map(len, answers)) == [0] * 7 + [4]
    assert count(database, collection) == 4


@pytest.mark.parametrize("committed", [True, False])
def test_a_duplicate_of_a_new_image_waits_and_is_stored_only_after_a_rollback(
    database: Database, committed: bool
) -> None:
    collection = make(database)
    with ThreadPoolExecutor(1) as thread, database.transaction() as connection:
        _add(connection, b"photo")
        late = thread.submit(index_new, database, collection, b"photo")
        wait_for_one_that_waits(connection)
        assert not late.done()
        if not committed:
            connection.rollback()
        connection.commit()
        assert len(late.result()) == (0 if committed else 4)
    assert count(database, collection) == (1 if committed else 4)


def test_a_new_image_that_overtakes_a_deletion_is_removed_by_it(database: Database) -> None:
    collection = make(database)
    with database.transaction() as connection:
        connection.execute("UPDATE collections SET deleted_at = now()")
        assert len(index_new(database, collection, b"photo")) == 4
    assert index_new(database, collection, b"other") == []
    collections.sweep(database)
    with database.reading() as connection:
        assert connection.execute("SELECT FROM faces").fetchall() == []


@pytest.mark.parametrize("is_new", [True, False])
def test_a_deletion_hides_a_collection_while_a_writer_is_at_work(
    database: Database, is_new: bool
) -> None:
    # There may always be another writer, so a deletion that waited for them might never end.
    collection = make(database)
    with ThreadPoolExecutor(1) as thread:
        with database.transaction() as connection:
            if is_new:
                adding.add_new(connection, collection, _image(b"photo"))
            else:
                _add(connection, b"photo")
            deletion = thread.submit(collections.delete, database, "staff")
            wait_for_one_that_waits(connection)
            with database.reading() as other, pytest.raises(CollectionNotFound):
                collections.find(other, "staff")
            assert not deletion.done()
        deletion.result()
    with database.reading() as connection:
        assert connection.execute("SELECT FROM faces").fetchall() == []


def test_a_new_image_does_not_wait_for_another_ones_writer(
    database: Database, database_url: str
) -> None:
    collection = make(database)
    second = other_slot(database_url, database)
    with second.autocommit() as connection:
        connection.execute("SET lock_timeout = '2s'")
    with database.transaction() as connection:
        _add(connection, b"another")
        assert len(index_new(second, collection, b"photo")) == 4
    assert count(database, collection) == 5
    second.close()


def _add(connection: Connection, image: bytes) -> None:
    held = collections.find(connection, "staff", for_update=True)
    adding.add(connection, held, _image(image))


def _image(image: bytes) -> adding.NewImage:
    return adding.NewImage(
        model_version=MODEL,
        digest=sha256(image).digest(),
        external_image_id=None,
        faces=[adding.NewFace(place(0), 99.5, unit_vectors(1)[0])],
    )


def other_slot(database_url: str, first: Database) -> Database:
    """Return a connection that uses another counter row than the first one."""
    tried: list[Database] = []
    while True:
        tried.append(Database(database_url))
        pids = []
        for each in (first, tried[-1]):
            with each.transaction() as connection:
                pids.append(connection.info.backend_pid % 32)
        if pids[0] != pids[1]:
            for each in tried[:-1]:
                each.close()
            return tried[-1]


def test_writers_into_one_collection_do_not_wait_for_each_other(database_url: str) -> None:
    # Both transactions hold their locks at the same time: with a single counter row, or an
    # exclusive lock on the collection, the second would wait for the first to commit.
    first = Database(database_url)
    schema.migrate(first)
    collection = make(first)
    second = other_slot(database_url, first)
    with first.transaction() as one:
        (slot,) = one.execute("SELECT pg_backend_pid() % 32").fetchone() or (0,)
        held = collections.find(one, "staff", for_update=True)
        new = [adding.NewFace((0.0, 0.0, 0.1, 0.1), 99.0, unit_vectors(1)[0])]
        adding.add(one, held, adding.NewImage(MODEL, b"a" * 32, None, new))
        with second.transaction() as two:
            two.execute("SET LOCAL lock_timeout = '2s'")
            (other,) = two.execute("SELECT pg_backend_pid() % 32").fetchone() or (0,)
            held = collections.find(two, "staff", for_update=True)
            adding.add(two, held, adding.NewImage(MODEL, b"b" * 32, None, new))
    assert slot != other
    assert count(first, collection) == 2
    first.close()
    second.close()
