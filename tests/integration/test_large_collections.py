"""Statements read only the rows that they need, also in a collection with many others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import pytest

from facedex.store import distinctions, faces, users
from facedex.store.collections import Collection
from facedex.store.database import Connection, Database
from facedex.store.faces import StoredFace
from tests.integration.galleries import make

_FACES = 20_000


@pytest.fixture
def collection(database: Database) -> Collection:
    """Return a collection of many faces, each with its own ExternalImageId, five to a user."""
    made = make(database)
    with database.transaction() as connection:
        connection.execute(
            "INSERT INTO users (collection_key, user_id)"
            " SELECT %s, 'user-' || number FROM generate_series(0, %s / 5 - 1) AS number",
            (made.key, _FACES),
        )
        connection.execute(
            "INSERT INTO faces (collection_key, face_id, image_id, image_digest,"
            " external_image_id, face_number, box_left, box_top, box_width, box_height,"
            " confidence, vector, user_id)"
            " SELECT %s, gen_random_uuid(), gen_random_uuid(), '', 'photo-' || number, 0,"
            " 0, 0, 1, 1, 99, '[1,0]', 'user-' || number / 5"
            " FROM generate_series(0, %s - 1) AS number",
            (made.key, _FACES),
        )
    with database.autocommit() as connection:
        connection.execute("ANALYZE faces")
    return made


@contextmanager
def few_rows_read(connection: Connection) -> Iterator[None]:
    """Check that a block reads few rows of faces, by a scan or through an index."""
    before = _read_rows(connection)
    yield
    assert _read_rows(connection) - before <= 30


def _read_rows(connection: Connection) -> int:
    (row,) = connection.execute(
        "SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) AS rows FROM pg_stat_xact_user_tables"
        " WHERE relname = 'faces'"
    )
    return int(row.rows)


def test_a_page_of_a_users_faces_reads_only_these(
    database: Database, collection: Collection
) -> None:
    def page(limit: int, after: UUID | None = None) -> list[StoredFace]:
        with database.transaction() as connection, few_rows_read(connection):
            return faces.page(connection, collection, after=after, limit=limit, user_id="user-100")

    listed = page(1001)
    assert {face.external_image_id for face in listed} == {f"photo-{n}" for n in range(500, 505)}
    assert [face.face_id for face in listed] == sorted(face.face_id for face in listed)
    assert page(2) == listed[:2]
    assert page(9, after=listed[1].face_id) == listed[2:]


def test_a_replaced_upload_reads_only_the_faces_of_its_name(
    database: Database, collection: Collection
) -> None:
    with database.transaction() as connection, few_rows_read(connection):
        removed, of_users = faces.delete_replaced(connection, collection, "photo-9", kept=[b"new"])
    assert (len(removed), of_users) == (0, 1)


def test_the_deletion_of_a_user_reads_only_its_faces_and_those_known_not_to_be_its(
    database: Database, collection: Collection
) -> None:
    with database.transaction() as connection:
        others = faces.page(connection, collection, after=None, limit=9, user_id="user-200")
        distinctions.add(connection, collection, "user-100", [face.face_id for face in others])
    with database.transaction() as connection, few_rows_read(connection):
        users.delete(connection, collection, "user-100")
    with database.reading() as connection:
        assert connection.execute("SELECT FROM distinctions").fetchall() == []
