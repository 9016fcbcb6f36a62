"""Faces of deleted and replaced objects, with and without mirroring."""

from __future__ import annotations

from facedex.store import associations, collections, faces, users
from facedex.store.database import Database
from tests.integration.uploads.bucket import Bucket


def test_deleting_an_object_keeps_its_faces_by_default(
    bucket: Bucket, portraits: dict[str, bytes]
) -> None:
    bucket.put("staff/grace.jpg", portraits["grace"])
    bucket.notify("staff/grace.jpg")
    assert bucket.delete("staff/grace.jpg") == []
    assert bucket.names() == ["grace"]


def test_mirrored_bucket_deletes_the_faces_of_a_deleted_object(
    mirror: Bucket, portraits: dict[str, bytes]
) -> None:
    for name, photo in portraits.items():
        mirror.put(f"staff/{name}.jpg", photo)
        mirror.notify(f"staff/{name}.jpg")
    assert mirror.names() == ["eileen", "grace"]
    assert mirror.delete("staff/grace.jpg") == []
    assert mirror.names() == ["eileen"]
    # The first message, delivered again and late.
    assert mirror.notify("staff/grace.jpg") == []
    assert mirror.names() == ["eileen"]
    assert mirror.delete("nobody/grace.jpg") == mirror.delete("no/good/key.jpg") == []
    assert mirror.reasons() == []


def test_late_deletion_notice_keeps_the_faces_of_a_newer_upload(
    mirror: Bucket, portraits: dict[str, bytes]
) -> None:
    mirror.put("staff/grace.jpg", portraits["grace"])
    mirror.notify("staff/grace.jpg")
    before = mirror.faces()
    assert mirror.notify("staff/grace.jpg", event="ObjectRemoved:Delete") == []
    assert mirror.faces() == before


def test_mirrored_bucket_replaces_the_faces_of_a_replaced_photo(
    mirror: Bucket, portraits: dict[str, bytes]
) -> None:
    mirror.put("staff/a.jpg", portraits["grace"])
    mirror.notify("staff/a.jpg")
    ((_, first),) = mirror.faces()
    mirror.put("staff/a.jpg", portraits["eileen"])
    assert mirror.notify("staff/a.jpg") == mirror.notify("staff/a.jpg") == []
    ((_, second),) = mirror.faces()
    assert first != second
    mirror.put("staff/a.jpg", b"garbage")
    assert mirror.notify("staff/a.jpg") == []
    assert mirror.faces() == []
    assert [code for code, _ in mirror.reasons()] == ["InvalidImageFormatException"]


def test_a_thousand_objects_whose_names_begin_alike_cost_no_face(
    mirror: Bucket, portraits: dict[str, bytes]
) -> None:
    mirror.put("staff/cam.jpg", portraits["grace"])
    mirror.notify("staff/cam.jpg")
    before = mirror.faces()
    for number in range(1001):
        mirror.put(f"staff/cam.{number:04}.jpg", b"")
    assert mirror.notify("staff/cam.jpg") == []
    assert mirror.faces() == before != []


def test_other_object_of_the_same_name_keeps_its_faces(
    mirror: Bucket, portraits: dict[str, bytes]
) -> None:
    for key, name in (("staff/a.jpg", "grace"), ("staff/a.png", "eileen")):
        mirror.put(key, portraits[name])
        mirror.notify(key)
    assert mirror.names() == ["a", "a"]
    assert mirror.delete("staff/a.jpg") == []
    assert mirror.names() == ["a"]
    assert mirror.delete("staff/a.png") == []
    assert mirror.names() == []


def test_faces_of_a_user_are_kept_and_reported(mirror: Bucket, portraits: dict[str, bytes]) -> None:
    mirror.put("staff/grace.jpg", portraits["grace"])
    mirror.notify("staff/grace.jpg")
    associate(mirror.database)
    assert mirror.delete("staff/grace.jpg") == []
    assert mirror.names() == ["grace"]
    ((code, reason),) = mirror.reasons()
    assert code == "ConflictException"
    assert "disassociate them first" in reason


def associate(database: Database) -> None:
    """Associate all faces of "staff" with a user."""
    with database.transaction() as connection:
        staff = collections.find(connection, "staff", for_update=True)
        users.create(connection, staff, "grace")
        found = faces.page(connection, staff, after=None, limit=100)
        wanted = [face.face_id for face in found]
        associations.associate(connection, staff, "grace", wanted, min_score=-1.0)
