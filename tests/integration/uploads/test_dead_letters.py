"""Uploads that cannot be indexed become dead letters with a reason."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from facedex.aws import objects
from tests.integration.uploads.bucket import Bucket


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
