"""Databases of earlier releases are migrated, and their faces are found."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from facedex import settings
from facedex.api.arns import Owner
from facedex.runtime import model_packs, services
from facedex.runtime.services import Services
from facedex.store import schema
from facedex.store.database import Database
from facedex.vision import images
from facedex_functions.associate_faces.handler import associate_faces
from facedex_functions.describe_collection.handler import describe_collection
from facedex_functions.index_faces.handler import index_faces
from facedex_functions.list_collections.handler import list_collections
from facedex_functions.list_faces.handler import list_faces
from facedex_functions.search_faces.handler import search_faces
from facedex_functions.search_faces_by_image.handler import search_faces_by_image
from facedex_functions.search_users.handler import search_users
from facedex_functions.search_users_by_image.handler import search_users_by_image
from tests.integration.streaming import Configure

# The migrations of the last release with model versions such as dlib-2.
_LAST_NAMED = "0007"


@pytest.fixture
def old(database_url: str) -> Iterator[Database]:
    """Return a database with the schema of a release."""
    database = Database(database_url)
    with database.transaction() as connection:
        schema._applied_names(connection)
        for name, statements in schema._migrations():
            if name[:4] <= _LAST_NAMED:
                connection.execute(statements)
                connection.execute("INSERT INTO schema_migrations (name) VALUES (%s)", (name,))
    yield database
    database.close()


def make(old: Database, name: str, model: str, *, deleted: bool = False) -> int:
    with old.transaction() as connection:
        row = connection.execute(
            "INSERT INTO collections (collection_id, model_version, deleted_at)"
            " VALUES (%s, %s, CASE WHEN %s THEN now() END) RETURNING collection_key",
            (name, model, deleted),
        ).fetchone()
        assert row is not None
        return int(row.collection_key)


def put_faces(old: Database, collection: int, photos: dict[str, bytes]) -> dict[str, str]:
    """Store the faces of photos as a release did, with one user each; return their ids by name."""
    pack, ids = model_packs.pack(), {}
    with old.transaction() as connection:
        for name, photo in photos.items():
            image = images.decode(photo, max_pixels=64_000_000)
            (face, *_) = pack.detect(image, limit=1)
            vector = str(pack.embed(image, [face])[0].tolist())
            ids[name] = str(uuid4())
            connection.execute(
                "INSERT INTO users (collection_key, user_id, vector)"
                " VALUES (%s, %s, l2_normalize(%s::halfvec))",
                (collection, f"user-{name}", vector),
            )
            connection.execute(
                "INSERT INTO faces (collection_key, face_id, image_id, image_digest,"
                " external_image_id, face_number, box_left, box_top, box_width, box_height,"
                " confidence, vector, user_id)"
                " VALUES (%s, %s, %s, %s, %s, 0, %s, %s, %s, %s, %s, %s::halfvec, %s)",
                (
                    *(collection, ids[name], uuid4(), sha256(photo).digest(), name),
                    *(*face.box, face.confidence, vector, f"user-{name}"),
                ),
            )
        connection.execute(
            "INSERT INTO collection_counts (collection_key, slot, faces, users)"
            " VALUES (%(key)s, 1, %(count)s, %(count)s)",
            {"key": collection, "count": len(photos)},
        )
    return ids


@pytest.fixture
def here(database_url: str, dlib_directory: Path, configure: Configure) -> Iterator[Services]:
    """Return the current service on a database."""
    made: tuple[Any, ...] = (services._database, model_packs._shelf)
    for each in made:
        each.cache_clear()
    configure(DATABASE_URL=database_url, AUTH="none", MODELS=dlib_directory.parent, PACK="dlib")
    yield Services(Owner("123456789012", "us-east-1"))
    services.database().close()
    for each in (*made, settings.settings):
        each.cache_clear()


def test_model_versions_by_name_become_numbers(old: Database) -> None:
    made = {
        "a": ("dlib-1", "1.1"),
        "b": ("dlib-2", "1.2"),
        "c": ("opencv-zoo-1", "2.1"),
        "d": ("buffalo_sc-1", "3.1"),
        "e": ("buffalo_l-1", "4.1"),
        "f": ("antelopev2-1", "5.1"),
        "g": ("somebodys-own-1", "somebodys-own-1"),
    }
    for name, (model, _) in made.items():
        make(old, name, model)
    make(old, "gone", "dlib-2", deleted=True)
    with old.transaction() as connection:
        connection.execute(
            "INSERT INTO video_jobs (job_id, operation, bucket, object_name, etag, size,"
            " model_version, expires_at)"
            " VALUES ('job', 'StartFaceSearch', 'films', 'a.mp4', 'etag', 9, 'dlib-2', now())"
        )
    applied = schema.migrate(old)
    assert applied[0] == "0008_model_numbers.sql"
    assert schema.migrate(old) == []
    with old.reading() as connection:
        rows = connection.execute("SELECT collection_id, model_version FROM collections")
        found = {row.collection_id: row.model_version for row in rows}
        job = connection.execute("SELECT model_version FROM video_jobs").fetchone()
    assert found == {name: number for name, (_, number) in made.items()} | {"gone": "1.2"}
    assert job is not None
    assert job.model_version == "1.2"


def test_faces_of_an_earlier_release_are_found_by_every_operation(
    old: Database, here: Services, portraits: dict[str, bytes]
) -> None:
    ids = put_faces(old, make(old, "staff", "dlib-2"), portraits)
    schema.migrate(old)
    request = {"CollectionId": "staff"}
    photo = {**request, "Image": {"Bytes": portraits["grace"]}}
    described = describe_collection(request, here)
    assert (described["FaceCount"], described["FaceModelVersion"]) == (2, "1.2")
    assert list_collections({}, here)["FaceModelVersions"] == ["1.2"]
    listed = list_faces(request, here)
    assert {face["IndexFacesModelVersion"] for face in listed["Faces"]} == {"1.2"}
    found = search_faces_by_image(photo, here)
    assert found["FaceModelVersion"] == "1.2"
    (match,) = found["FaceMatches"]
    assert str(match["Face"]["FaceId"]) == ids["grace"]
    assert match["Similarity"] > 99
    stored = search_faces({**request, "FaceId": ids["grace"]}, here)
    assert (stored["FaceMatches"], stored["FaceModelVersion"]) == ([], "1.2")
    (user,) = search_users_by_image(photo, here)["UserMatches"]
    assert user["User"]["UserId"] == "user-grace"
    (user,) = search_users({**request, "FaceId": ids["grace"]}, here)["UserMatches"]
    assert user["User"]["UserId"] == "user-grace"
    (record,) = index_faces({**photo, "ExternalImageId": "again"}, here)["FaceRecords"]
    assert record["Face"]["IndexFacesModelVersion"] == "1.2"
    given = {"UserId": "user-grace", "FaceIds": [str(record["Face"]["FaceId"])]}
    assert len(associate_faces({**request, **given}, here)["AssociatedFaces"]) == 1
