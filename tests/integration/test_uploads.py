"""The function index_upload with a real Postgres, and moto's S3 and SQS."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest
from PIL import Image

from facedex import settings
from facedex.aws import clients, objects
from facedex.runtime import services
from facedex.store import associations, collections, faces, schema, users
from facedex.store.database import Database
from facedex_functions.index_upload import postponing
from facedex_functions.index_upload.handler import lambda_handler
from facedex_local.aws.moto_app import Moto
from facedex_local.http.gateway import Context
from facedex_local.http.listener import Listener
from facedex_local.http.wsgi import Wsgi
from facedex_local.postgres.cluster import Postgres
from facedex_local.workers.event_source import batch_event

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@dataclass
class Bucket:
    """The function's bucket, its two queues and the collection "staff"."""

    name: str
    s3: Any
    sqs: Any
    queue: str
    letters: str
    database: Database

    def put(self, key: str, body: bytes, **metadata: str) -> str | None:
        named = {name.replace("_", "-"): value for name, value in metadata.items()}
        answer = self.s3.put_object(Bucket=self.name, Key=key, Body=body, Metadata=named)
        version: str | None = answer.get("VersionId")
        return version

    def notify(self, key: str, *, event: str = "ObjectCreated:Put", version: str = "") -> list[str]:
        """Call the function with a notification; return the ids of the messages that failed."""
        thing = {"key": key, **({"versionId": version} if version else {})}
        place = {"bucket": {"name": self.name}, "object": thing}
        return self.send(json.dumps({"Records": [{"eventName": event, "s3": place}]}))

    def send(self, body: str, **more: Any) -> list[str]:
        """Call the function with a message; return the ids of the messages that failed."""
        event = {"Records": [{"messageId": "m", "eventSource": "aws:sqs", "body": body, **more}]}
        answer = lambda_handler(event, Context("index_upload", 60, 1769, "request"))
        return [item["itemIdentifier"] for item in answer["batchItemFailures"]]

    def next_message(self) -> dict[str, Any]:
        """Remove and return the message that the function has put into the queue again."""
        (message,) = self.sqs.receive_message(
            QueueUrl=self.queue, AttributeNames=["All"], MessageAttributeNames=["All"]
        )["Messages"]
        self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        (record,) = batch_event([message], self.queue)["Records"]
        return dict(record)

    def delete(self, key: str) -> list[str]:
        self.s3.delete_object(Bucket=self.name, Key=key)
        return self.notify(key, event="ObjectRemoved:Delete")

    def faces(self) -> list[tuple[str | None, str]]:
        with self.database.transaction() as connection:
            staff = collections.find(connection, "staff")
            found = faces.page(connection, staff, after=None, limit=100)
        return sorted((face.external_image_id, str(face.face_id)) for face in found)

    def names(self) -> list[str | None]:
        return [name for name, _ in self.faces()]

    def tags(self, key: str) -> dict[str, str]:
        found = self.s3.get_object_tagging(Bucket=self.name, Key=key)["TagSet"]
        return {tag["Key"]: tag["Value"] for tag in found}

    def reasons(self) -> list[tuple[str, str]]:
        """Remove the dead letters; return the code and the reason of each."""
        received = self.sqs.receive_message(
            QueueUrl=self.letters, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        )
        found = []
        for message in received.get("Messages", ()):
            attributes = message["MessageAttributes"]
            found.append(
                (attributes["ErrorCode"]["StringValue"], attributes["Reason"]["StringValue"])
            )
            self.sqs.delete_message(QueueUrl=self.letters, ReceiptHandle=message["ReceiptHandle"])
        return found


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    listener = Listener(Wsgi(Moto()), host="127.0.0.1", port=0, threads=8)
    listener.start()
    yield listener.url
    listener.stop()


@pytest.fixture
def function(
    endpoint: str, database_url: str, pack_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Bucket]]:
    """Return a function that creates a bucket and sets the function's settings for it."""
    made = (
        settings.settings,
        services._database,
        services._shelf,
        objects.client,
        clients.queues,
    )

    def forget() -> None:
        for each in made:
            each.cache_clear()

    def make(url: str = database_url, **more: str) -> Bucket:
        named = {"DATABASE_URL": url, "AUTH": "none", "MODELS": str(pack_directory.parent), **more}
        for name, value in named.items():
            monkeypatch.setenv(f"FACEDEX_{name}", value)
        places = {f"AWS_ENDPOINT_URL_{service}": endpoint for service in ("S3", "SQS")}
        for name, value in {**CREDENTIALS, **places}.items():
            monkeypatch.setenv(name, value)
        s3, sqs = boto3.client("s3"), boto3.client("sqs")
        name = f"uploads-{uuid4().hex}"
        s3.create_bucket(Bucket=name)
        letters = sqs.create_queue(QueueName=name)["QueueUrl"]
        monkeypatch.setenv("FACEDEX_UPLOADS_DEAD_LETTERS", letters)
        queue = sqs.create_queue(QueueName=f"{name}-queue")["QueueUrl"]
        if "DATABASE_PATIENCE" in more:
            monkeypatch.setenv("FACEDEX_UPLOADS_QUEUE", queue)
            # At once, without a wait for a database that may recover.
            monkeypatch.setattr(postponing, "_FIRST_DELAY", 0)
        forget()
        database = services.database()
        schema.migrate(database)
        with database.transaction() as connection:
            collections.create(connection, "staff", services.pack().model_version)
        return Bucket(name, s3, sqs, queue, letters, database)

    yield make
    services.database().close()
    forget()


@pytest.fixture
def bucket(function: Callable[..., Bucket]) -> Bucket:
    return function()


@pytest.fixture
def mirror(function: Callable[..., Bucket]) -> Bucket:
    """Return a bucket whose objects' faces are deleted with the objects."""
    return function(UPLOADS_DELETE_FACES="true")


def test_repeated_message_changes_nothing(bucket: Bucket, portraits: dict[str, bytes]) -> None:
    bucket.put("staff/grace.jpg", portraits["grace"])
    assert bucket.notify("staff/grace.jpg") == []
    before = bucket.faces()
    assert [name for name, _ in before] == ["grace"]
    assert bucket.notify("staff/grace.jpg") == []
    assert bucket.faces() == before
    assert bucket.tags("staff/grace.jpg") == {}


@pytest.mark.parametrize(
    ("key", "body", "code", "reason"),
    [
        ("staff/a.jpg", b"garbage", "InvalidImageFormatException", "neither JPEG nor PNG"),
        ("staff/a.png", b"", "InvalidImageFormatException", "no bytes"),
        ("staff/a.jpg", bytes(15 * 1024 * 1024 + 1), "ImageTooLargeException", "15728640"),
        ("nobody/a.jpg", None, "ResourceNotFoundException", "nobody does not exist"),
        ("staff/2026/a.jpg", None, "InvalidUploadKey", "with one slash"),
        ("staff/Zoë.jpg", None, "InvalidUploadKey", "externalImageId"),
    ],
)
def test_impossible_upload_becomes_a_dead_letter_with_a_reason_and_is_tagged(
    bucket: Bucket,
    portraits: dict[str, bytes],
    key: str,
    body: bytes | None,
    code: str,
    reason: str,
) -> None:
    bucket.put(key, portraits["grace"] if body is None else body)
    assert bucket.notify(key) == []
    ((told, why),) = bucket.reasons()
    assert told == code
    assert reason in why
    tags = bucket.tags(key)
    assert (tags["facedex:status"], tags["facedex:error"]) == ("failed", code)
    assert bucket.faces() == []


def test_truncated_photo_becomes_a_dead_letter(bucket: Bucket, portraits: dict[str, bytes]) -> None:
    bucket.put("staff/a.png", portraits["eileen"][:-2000])
    assert bucket.notify("staff/a.png") == []
    assert [code for code, _ in bucket.reasons()] == ["InvalidImageFormatException"]


def test_message_of_another_sender_becomes_a_dead_letter_unchanged(bucket: Bucket) -> None:
    assert bucket.send("hello") == []
    (message,) = bucket.sqs.receive_message(QueueUrl=bucket.letters)["Messages"]
    assert message["Body"] == "hello"


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
        collections.create(connection, "later", services.pack().model_version)
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


def test_upload_waits_while_the_database_is_down(
    function: Callable[..., Bucket], tmp_path: Path, portraits: dict[str, bytes]
) -> None:
    postgres = Postgres(tmp_path)
    bucket = function(postgres.start())
    bucket.put("staff/grace.jpg", portraits["grace"])
    postgres.stop()
    assert bucket.notify("staff/grace.jpg") == ["m"]
    assert bucket.reasons() == []
    assert bucket.tags("staff/grace.jpg") == {}
    again = Postgres(tmp_path)
    again.start()
    try:
        assert bucket.notify("staff/grace.jpg") == []
        assert bucket.names() == ["grace"]
        bucket.database.close()
    finally:
        again.stop()


def test_database_that_wakes_up_in_time_causes_no_failure(
    function: Callable[..., Bucket], tmp_path: Path, portraits: dict[str, bytes]
) -> None:
    first, again = Postgres(tmp_path), Postgres(tmp_path)
    bucket = function(first.start(), DATABASE_PATIENCE="30")
    bucket.put("staff/grace.jpg", portraits["grace"])
    first.stop()
    # After the time in which a recently used connection is not checked.
    time.sleep(0.3)
    starter = threading.Timer(2, again.start)
    starter.start()
    try:
        assert bucket.notify("staff/grace.jpg") == []
        assert bucket.names() == ["grace"]
    finally:
        starter.join()
        bucket.database.close()
        again.stop()


def test_long_database_outage_makes_no_dead_letter(
    function: Callable[..., Bucket], tmp_path: Path, portraits: dict[str, bytes]
) -> None:
    """A new message replaces the old one each time, so that deliveries are not counted."""
    first, again = Postgres(tmp_path), Postgres(tmp_path)
    bucket = function(first.start(), DATABASE_PATIENCE="1")
    bucket.put("staff/grace.jpg", portraits["grace"])
    first.stop()
    assert bucket.notify("staff/grace.jpg") == []
    since = time.time()
    for attempt in range(1, 6):
        message = bucket.next_message()
        attributes = message["messageAttributes"]
        assert attributes["Attempts"]["stringValue"] == str(attempt)
        assert int(attributes["WaitingSince"]["stringValue"]) <= since
        assert bucket.send(**message) == []
    message = bucket.next_message()
    again.start()
    try:
        assert bucket.send(**message) == []
        assert bucket.names() == ["grace"]
    finally:
        bucket.database.close()
        again.stop()
    assert bucket.reasons() == []
    assert bucket.tags("staff/grace.jpg") == {}


def test_upload_that_has_waited_for_days_becomes_a_dead_letter(
    function: Callable[..., Bucket], tmp_path: Path, portraits: dict[str, bytes]
) -> None:
    postgres = Postgres(tmp_path)
    bucket = function(postgres.start(), DATABASE_PATIENCE="1")
    bucket.put("staff/grace.jpg", portraits["grace"])
    postgres.stop()
    assert bucket.notify("staff/grace.jpg") == []
    message = bucket.next_message()
    long_ago = str(int(time.time()) - 4 * 24 * 3600)
    message["messageAttributes"]["WaitingSince"]["stringValue"] = long_ago
    assert bucket.send(**message) == []
    ((code, reason),) = bucket.reasons()
    assert code == "InternalServerError"
    assert reason.startswith("The database did not answer")
    assert bucket.tags("staff/grace.jpg")["facedex:status"] == "failed"


def test_archived_object_becomes_a_dead_letter(bucket: Bucket, portraits: dict[str, bytes]) -> None:
    bucket.s3.put_object(
        Bucket=bucket.name,
        Key="staff/grace.jpg",
        Body=portraits["grace"],
        StorageClass="GLACIER",
    )
    assert bucket.notify("staff/grace.jpg") == []
    ((code, reason),) = bucket.reasons()
    assert code == "UnreadableUpload"
    assert "InvalidObjectState" in reason
    assert "archived" in reason


def test_object_encrypted_with_its_uploaders_key_becomes_a_dead_letter(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """moto returns such objects, so this test simulates S3's error."""
    with s3_that_refuses(400, "InvalidRequest") as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
        objects.client.cache_clear()
        assert bucket.notify("staff/grace.jpg") == []
    ((code, reason),) = bucket.reasons()
    assert code == "UnreadableUpload"
    assert "encrypted under a key that only its uploader has" in reason


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


def test_upload_waits_while_s3_does_not_answer(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    objects.client.cache_clear()
    assert bucket.notify("staff/grace.jpg") == ["m"]
    assert bucket.reasons() == []


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


@contextmanager
def s3_that_refuses(status: int, code: str) -> Iterator[str]:
    """An S3 that answers every request with one error."""

    class Refusal(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusal) as server:
        threading.Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
