"""Uploads whose faces are indexed, their tags and their logs."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from PIL import Image

from facedex.runtime import model_packs
from facedex.store import collections
from tests.integration.uploads.bucket import Bucket


def test_repeated_message_changes_nothing(bucket: Bucket, portraits: dict[str, bytes]) -> None:
    bucket.put("staff/grace.jpg", portraits["grace"])
    assert bucket.notify("staff/grace.jpg") == []
    before = bucket.faces()
    assert [name for name, _ in before] == ["grace"]
    assert bucket.notify("staff/grace.jpg") == []
    assert bucket.faces() == before
    assert bucket.tags("staff/grace.jpg") == {}


def test_metadata_chooses_faces_and_a_mistake_in_it_is_reported(
    bucket: Bucket, portraits: dict[str, bytes]
) -> None:
    bucket.put("staff/a.jpg", portraits["grace"], max_faces="1", quality_filter="NONE")
    bucket.put("staff/b.jpg", portraits["grace"], max_faces="0")
    assert bucket.notify("staff/a.jpg") == bucket.notify("staff/b.jpg") == []
    assert bucket.names() == ["a"]
    ((code, reason),) = bucket.reasons()
    assert code == "InvalidUploadMetadata"
    assert "maxFaces" in reason


def test_indexed_photo_keeps_the_uploaders_tags_and_loses_ours(
    bucket: Bucket, portraits: dict[str, bytes]
) -> None:
    bucket.put("later/grace.jpg", portraits["grace"])
    tags = {"TagSet": [{"Key": "team", "Value": "flight"}]}
    bucket.s3.put_object_tagging(Bucket=bucket.name, Key="later/grace.jpg", Tagging=tags)
    bucket.notify("later/grace.jpg")
    assert bucket.tags("later/grace.jpg")["facedex:status"] == "failed"
    assert bucket.tags("later/grace.jpg")["team"] == "flight"
    with bucket.database.transaction() as connection:
        collections.create(connection, "later", model_packs.pack().model_version)
    assert bucket.notify("later/grace.jpg") == []
    assert bucket.tags("later/grace.jpg") == {"team": "flight"}


def test_photo_without_a_face_is_tagged(bucket: Bucket) -> None:
    plain = io.BytesIO()
    Image.new("RGB", (300, 300), "grey").save(plain, "PNG")
    bucket.put("staff/wall.png", plain.getvalue())
    assert bucket.notify("staff/wall.png") == []
    assert bucket.reasons() == []
    assert bucket.tags("staff/wall.png")["facedex:status"] == "no-face"


def test_deleted_object_is_not_a_failure(bucket: Bucket) -> None:
    assert bucket.notify("staff/gone.jpg") == []
    assert bucket.notify("staff/gone.jpg", event="ObjectRemoved:Delete") == []
    assert bucket.reasons() == []


def test_version_in_the_notification_is_indexed(
    bucket: Bucket, portraits: dict[str, bytes]
) -> None:
    versioning = {"Status": "Enabled"}
    bucket.s3.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration=versioning)
    first = bucket.put("staff/a.jpg", portraits["grace"])
    bucket.put("staff/a.jpg", b"garbage")
    assert first
    assert bucket.notify("staff/a.jpg", version=first) == []
    assert bucket.names() == ["a"]
    assert bucket.reasons() == []


@pytest.mark.parametrize("may", [False, True])
def test_log_names_objects_and_collections_only_if_allowed(
    may: bool,
    function: Callable[..., Bucket],
    portraits: dict[str, bytes],
    caplog: pytest.LogCaptureFixture,
) -> None:
    bucket = function(LOG_NAMES=str(may).lower())
    bucket.put("staff/grace.jpg", portraits["grace"])
    bucket.put("staff/garbage.jpg", b"garbage")
    bucket.put("nobody/grace.jpg", portraits["grace"])
    for key in ("staff/grace.jpg", "staff/garbage.jpg", "nobody/grace.jpg", "staff/gone.jpg"):
        bucket.notify(key)
    assert len(caplog.messages) == 4
    for name in ("staff", "grace", "garbage", "nobody", bucket.name):
        assert (name in caplog.text) is may, caplog.text
    assert ("the object of the message m" in caplog.text) is not may
