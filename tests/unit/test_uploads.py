"""Reading of notifications, object keys and metadata, and the poller's response to Lambda."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from facedex.aws.dead_letters import plain_text
from facedex.aws.uploads import (
    InvalidUploadKey,
    InvalidUploadMetadata,
    MalformedNotification,
    Notice,
    index_request,
    read_notices,
)
from facedex.setting_reader import SettingError
from facedex.settings import Settings
from facedex_local.workers.event_source import batch_event, failed_messages
from facedex_local.workers.uploads import Uploads

OWN = "http://127.0.0.1:40000"


def notification(key: str, event: str = "ObjectCreated:Put", **more: str) -> str:
    place = {"bucket": {"name": "uploads"}, "object": {"key": key, **more}}
    return json.dumps({"Records": [{"eventName": event, "s3": place}]})


def notice(key: str) -> Notice:
    return Notice("uploads", key, None, False, {})


def test_key_in_a_notification_is_decoded() -> None:
    (found,) = read_notices(notification("staff/Zo%C3%AB%2B+1.jpg", versionId="v1"))
    assert (found.bucket, found.key, found.version) == ("uploads", "staff/Zoë+ 1.jpg", "v1")
    assert not found.removed


@pytest.mark.parametrize(
    ("event", "removed"),
    [
        ("ObjectCreated:CompleteMultipartUpload", False),
        ("s3:ObjectCreated:Copy", False),
        ("ObjectRemoved:Delete", True),
        ("ObjectRemoved:DeleteMarkerCreated", True),
    ],
)
def test_notification_distinguishes_created_from_removed_objects(event: str, removed: bool) -> None:
    (found,) = read_notices(notification("staff/ann.jpg", event))
    assert found.removed is removed


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "uploads"}),
        notification("staff/"),
        notification("staff/ann.jpg", "ObjectTagging:Put"),
        # If a lifecycle rule of the bucket removes an object, its faces remain.
        notification("staff/ann.jpg", "LifecycleExpiration:Delete"),
    ],
)
def test_notification_without_a_photo_is_ignored(body: str) -> None:
    assert read_notices(body) == []


@pytest.mark.parametrize("body", ["", "hello", "[]", "{}", '{"Records": [{}]}', "null", "7"])
def test_message_of_another_sender_is_malformed(body: str) -> None:
    with pytest.raises(MalformedNotification, match="not an event notification of S3"):
        read_notices(body)


@pytest.mark.parametrize(
    ("key", "external_image_id"),
    [
        ("staff/ann.jpg", "ann"),
        ("staff/ann.JPEG", "ann"),
        ("staff/ann.lee.png", "ann.lee"),
        ("staff/a:b-c_d.1.jpg", "a:b-c_d.1"),
    ],
)
def test_key_names_collection_and_external_image_id(key: str, external_image_id: str) -> None:
    request = index_request(notice(key), {})
    assert (request["CollectionId"], request["ExternalImageId"]) == ("staff", external_image_id)
    assert "MaxFaces" not in request


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("ann.jpg", "with one slash"),
        ("staff/2026/ann.jpg", "with one slash"),
        ("staff/ann.gif", ".jpg, .jpeg or .png"),
        ("staff/ann", ".jpg, .jpeg or .png"),
        ("staff/.jpg", "externalImageId"),
        ("/ann.jpg", "collectionId"),
        ("staff/Zoë Lee.jpg", "externalImageId"),
        ("my staff/ann.jpg", "collectionId"),
        (f"staff/{'a' * 256}.jpg", "externalImageId"),
    ],
)
def test_invalid_key_is_refused_with_the_reason(key: str, reason: str) -> None:
    with pytest.raises(InvalidUploadKey, match=reason):
        index_request(notice(key), {})


def test_metadata_sets_max_faces_and_quality_filter() -> None:
    asked = {"max-faces": "2", "quality-filter": "HIGH", "taken-by": "ann"}
    request = index_request(notice("staff/ann.jpg"), asked)
    assert (request["MaxFaces"], request["QualityFilter"]) == (2, "HIGH")


@pytest.mark.parametrize(
    ("metadata", "member"),
    [
        ({"max-faces": "0"}, "maxFaces"),
        ({"max-faces": "many"}, "MaxFaces|maxFaces"),
        ({"max-faces": ""}, "MaxFaces|maxFaces"),
        ({"quality-filter": "high"}, "qualityFilter"),
    ],
)
def test_invalid_metadata_is_refused(metadata: dict[str, str], member: str) -> None:
    with pytest.raises(InvalidUploadMetadata, match=member):
        index_request(notice("staff/ann.jpg"), metadata)


def test_reason_has_no_control_characters() -> None:
    assert plain_text("a\x1b[31mb\n") == "a?[31mb?"
    assert plain_text("") == "-"


def test_event_of_a_batch_has_the_format_of_lambda() -> None:
    sample: Any = json.loads(
        (Path(__file__).parents[2] / "events" / "index_upload.json").read_text()
    )
    (record,) = sample["Records"]
    message: Any = {
        "MessageId": record["messageId"],
        "ReceiptHandle": record["receiptHandle"],
        "Body": record["body"],
        "MD5OfBody": record["md5OfBody"],
        "Attributes": record["attributes"],
    }
    url = "http://127.0.0.1:9000/123456789012/facedex-uploads"
    assert batch_event([message], url) == sample


@pytest.mark.parametrize("answer", [None, {}, {"batchItemFailures": []}])
def test_response_without_failures_is_success(answer: Any) -> None:
    assert failed_messages(answer) == set()


def test_response_names_the_failed_messages() -> None:
    answer = {"batchItemFailures": [{"itemIdentifier": "a"}, {"itemIdentifier": "b"}]}
    assert failed_messages(answer) == {"a", "b"}


@pytest.mark.parametrize("answer", [{"batchItemFailures": [{}]}, {"batchItemFailures": 3}])
def test_response_that_lambda_would_reject_fails_the_batch(answer: Any) -> None:
    with pytest.raises((KeyError, TypeError)):
        failed_messages(answer)


def test_url_of_the_local_dead_letter_queue_is_known_before_it_exists() -> None:
    environment = {"AWS_ENDPOINT_URL_S3": OWN, "AWS_ENDPOINT_URL_SQS": OWN}
    Uploads(OWN, log=False, environment=environment)
    assert environment["FACEDEX_UPLOADS_DEAD_LETTERS"] == (
        f"{OWN}/123456789012/facedex-uploads-dead-letters"
    )


@pytest.mark.parametrize(
    "chosen",
    [
        {"AWS_ENDPOINT_URL_S3": "http://minio:9000", "AWS_ENDPOINT_URL_SQS": OWN},
        {
            "AWS_ENDPOINT_URL_S3": OWN,
            "AWS_ENDPOINT_URL_SQS": OWN,
            "FACEDEX_UPLOADS_BUCKET": "",
        },
    ],
)
def test_uploads_are_off_if_s3_cannot_notify_the_queue_or_by_choice(
    chosen: dict[str, str],
) -> None:
    Uploads(OWN, log=False, environment=chosen)
    assert "FACEDEX_UPLOADS_DEAD_LETTERS" not in chosen


def test_setting_that_deletes_faces_is_true_or_false() -> None:
    needed = {"FACEDEX_DATABASE_URL": "x", "FACEDEX_MODELS": "/x", "FACEDEX_AUTH": "none"}
    assert not Settings.from_environment(needed).uploads_delete_faces
    chosen = needed | {"FACEDEX_UPLOADS_DELETE_FACES": "true"}
    assert Settings.from_environment(chosen).uploads_delete_faces
    with pytest.raises(SettingError, match="must be true or false, not 'yes'"):
        Settings.from_environment(needed | {"FACEDEX_UPLOADS_DELETE_FACES": "yes"})
