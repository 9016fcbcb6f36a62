"""Changes that meet in the database: each is done completely, or refused with its own error."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any
from uuid import UUID

import pytest

from facedex.store import (
    adding,
    associations,
    collections,
    distinctions,
    faces,
    job_starts,
    tags,
    upgrade_switch,
    upgrades,
    users,
)
from facedex.store.collections import Collection
from facedex.store.database import Database
from facedex.store.store_errors import FaceNotFound, TooManyJobs
from tests.integration.galleries import (
    count,
    index,
    is_waited_for,
    make,
    place,
    unit_vectors,
    wait_for_one_that_waits,
)
from tests.integration.streaming import Stage
from tests.integration.video_store import order, start


@pytest.fixture
def collection(database: Database) -> Collection:
    return make(database)


@pytest.fixture
def face_ids(database: Database, collection: Collection) -> list[UUID]:
    """Return two faces of one image, in the order of their numbers."""
    stored = index(database, collection.collection_id, b"photo", unit_vectors(2))
    return [face.face_id for face in stored]


def test_a_face_that_is_deleted_meanwhile_does_not_stop_an_upgrade(
    database: Database, collection: Collection, face_ids: list[UUID]
) -> None:
    new = dict(zip(face_ids, unit_vectors(2, seed=2), strict=True))

    def add() -> None:
        with database.autocommit() as connection:
            upgrades.add_vectors(connection, collection, "other-2", new)

    with database.transaction() as connection:
        upgrades.begin(connection, collection, "other-2")
    with ThreadPoolExecutor(1) as thread:
        with database.transaction() as connection:
            faces.delete(connection, collection, face_ids[:1])
            late = thread.submit(add)
            wait_for_one_that_waits(connection)
        late.result()
    with database.reading() as connection:
        (row,) = connection.execute("SELECT face_id FROM upgraded_faces")
    assert row.face_id == face_ids[1]


def test_a_vector_that_is_added_during_the_end_of_an_upgrade_keeps_its_face(
    database: Database, collection: Collection, face_ids: list[UUID]
) -> None:
    one, other = unit_vectors(2, seed=2)

    def end() -> list[faces.StoredFace]:
        with database.transaction() as connection:
            return upgrade_switch.switch(
                connection, collection, "other-2", pack=("pack", "other"), without=face_ids
            )

    with database.transaction() as connection:
        upgrades.begin(connection, collection, "other-2")
    with ThreadPoolExecutor(1) as thread:
        with database.transaction() as connection:
            upgrades.add_vectors(connection, collection, "other-2", {face_ids[1]: other})
            late = thread.submit(end)
            wait_for_one_that_waits(connection)
            upgrades.add_vectors(connection, collection, "other-2", {face_ids[0]: one})
        assert late.result() == []
    assert count(database, collection) == 2


def test_a_collection_is_removed_while_vectors_are_added_to_its_upgrade(
    database: Database, collection: Collection, face_ids: list[UUID]
) -> None:
    one, other = unit_vectors(2, seed=2)
    with database.transaction() as connection:
        upgrades.begin(connection, collection, "other-2")
    with ThreadPoolExecutor(1) as thread:
        with database.transaction() as connection:
            upgrades.add_vectors(connection, collection, "other-2", {face_ids[1]: other})
            late = thread.submit(collections.delete, database, "staff")
            wait_for_one_that_waits(connection)
            upgrades.add_vectors(connection, collection, "other-2", {face_ids[0]: one})
        late.result()
    with database.reading() as connection:
        for table in ("collections", "faces", "upgrades", "upgraded_faces"):
            assert connection.execute(f"SELECT FROM {table}").fetchall() == []


def test_faces_are_deleted_while_an_upgrade_is_abandoned(
    database: Database, collection: Collection
) -> None:
    new = index(database, "staff", b"group", unit_vectors(3))
    first, middle, last = sorted(face.face_id for face in new)
    with database.transaction() as connection:
        upgrades.begin(connection, collection, "other-2")
        for face_id, vector in zip((first, middle, last), unit_vectors(3, seed=2), strict=True):
            upgrades.add_vectors(connection, collection, "other-2", {face_id: vector})

    def abandon() -> bool:
        with database.transaction() as connection:
            return upgrades.give_up(connection, collection)

    with ThreadPoolExecutor(1) as thread:
        with database.transaction() as connection:
            locked = collections.find(connection, "staff", for_update=True)
            faces.delete(connection, locked, [middle])
            late = thread.submit(abandon)
            wait_for_one_that_waits(connection)
            assert faces.delete(connection, locked, [first, last]) == {first, last}
        assert late.result()


def test_a_face_that_is_deleted_meanwhile_is_reported_as_unknown(
    database: Database, collection: Collection, face_ids: list[UUID]
) -> None:
    def distinguish() -> None:
        with database.transaction() as connection:
            distinctions.add(connection, collection, "ann", face_ids)

    with database.transaction() as connection:
        users.create(connection, collection, "ann")
    with ThreadPoolExecutor(1) as thread:
        with database.transaction() as connection:
            faces.delete(connection, collection, face_ids[:1])
            late = thread.submit(distinguish)
            wait_for_one_that_waits(connection)
        with pytest.raises(FaceNotFound, match=str(face_ids[0])):
            late.result()


def test_faces_that_two_uploads_replace_at_once_belong_to_no_user(
    database: Database, collection: Collection
) -> None:
    vectors = unit_vectors(3)
    (taken,) = index(database, "staff", b"kept", vectors[:1], "ann")
    others = index(database, "staff", b"old", vectors[1:], "ann")
    with database.transaction() as connection:
        users.create(connection, collection, "ann")
        associations.associate(connection, collection, "ann", [taken.face_id], min_score=-1.0)

    def replace() -> tuple[set[UUID], int]:
        with database.transaction() as connection:
            return faces.delete_replaced(connection, collection, "ann", kept=[])

    with ThreadPoolExecutor(1) as thread:
        with database.transaction() as connection:
            first = faces.delete_replaced(connection, collection, "ann", kept=[])
            late = thread.submit(replace)
            wait_for_one_that_waits(connection)
        assert first == ({face.face_id for face in others}, 1)
        assert late.result() == (set(), 1)


def test_a_user_and_the_faces_that_are_not_its_own_are_deleted_at_once(
    database: Database, collection: Collection, face_ids: list[UUID]
) -> None:
    def delete_user() -> None:
        with database.transaction() as connection:
            users.delete(connection, collection, "ann")

    with database.transaction() as connection:
        users.create(connection, collection, "ann")
        # The deletion of the user removes what is known of the last face first.
        for face_id in reversed(face_ids):
            distinctions.add(connection, collection, "ann", [face_id])
    with ThreadPoolExecutor(1) as thread:
        with database.transaction() as connection:
            faces.delete(connection, collection, face_ids[:1])
            late = thread.submit(delete_user)
            wait_for_one_that_waits(connection)
            faces.delete(connection, collection, face_ids[1:])
        late.result()
    with database.reading() as connection:
        for table in ("faces", "users", "distinctions"):
            assert connection.execute(f"SELECT FROM {table}").fetchall() == []


def test_tags_are_changed_and_removed_at_once(database: Database, collection: Collection) -> None:
    def remove() -> None:
        with database.transaction() as connection:
            tags.remove(connection, collection, ["floor", "team"])

    with database.transaction() as connection:
        tags.put(connection, collection, {"floor": "1", "team": "door"})
    with ThreadPoolExecutor(1) as thread:
        with database.transaction() as connection:
            # The removal begins with the other tag.
            tags.put(connection, collection, {"team": "ground"})
            late = thread.submit(remove)
            wait_for_one_that_waits(connection)
            tags.put(connection, collection, {"floor": "2"})
        late.result()
    with database.reading() as connection:
        assert tags.read(connection, collection) == {}


def test_jobs_that_start_at_once_do_not_exceed_the_limit(database: Database) -> None:
    with ThreadPoolExecutor(1) as thread:
        with database.transaction() as connection:
            job_starts.start(connection, order(), token=None, request={}, limit=1, days=7)
            late = thread.submit(start, database, limit=1)
            # The other one may also be started at once, which is the fault.
            while not late.done() and not is_waited_for(connection):
                time.sleep(0.01)
        with pytest.raises(TooManyJobs):
            late.result()


def test_the_last_job_of_the_limit_may_be_started_again_with_its_token(database: Database) -> None:
    first = start(database, "token", limit=1)
    assert start(database, "token", limit=1) == first


@pytest.mark.parametrize(
    ("act", "expected", "table"),
    [
        (lambda client: len(client.list_faces(CollectionId="staff")["Faces"]), 3, "faces"),
        (lambda client: len(client.list_users(CollectionId="staff")["Users"]), 1, "users"),
        (
            lambda client: client.describe_collection(CollectionId="staff")["FaceCount"],
            3,
            "collection_counts",
        ),
    ],
)
def test_a_collection_that_is_deleted_meanwhile_is_read_as_it_was(
    stage: Stage,
    service: None,
    database_url: str,
    act: Callable[[Any], int],
    expected: int,
    table: str,
) -> None:
    client, database = stage.client("rekognition"), Database(database_url)
    client.create_user(CollectionId="staff", UserId="ann")
    new = [adding.NewFace(place(n), 99.5, vector) for n, vector in enumerate(unit_vectors(3))]
    with database.transaction() as connection:
        staff = collections.find(connection, "staff", for_update=True)
        adding.add(connection, staff, adding.NewImage(staff.model_version, b"", None, new))
    # Between the look-up of the collection and the use of its rows.
    with closing(database), ThreadPoolExecutor(1) as thread, database.transaction() as connection:
        connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        late = thread.submit(act, client)
        wait_for_one_that_waits(connection)
        connection.execute("UPDATE collections SET deleted_at = now()")
        for each in ("faces", "users", "collection_counts", "collections"):
            connection.execute(f"DELETE FROM {each}")
        connection.commit()
        assert late.result() == expected
