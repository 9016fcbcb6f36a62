"""An import sends photos as they are, through a boto3 client."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError

from facedex_cli.importing.raw import IndexFaces, send_photos_raw

Asked = tuple[str, dict[str, str], bytes]

PHOTO = b"\xff\xd8\xff" + bytes(range(256))


@contextmanager
def answering(*answers: tuple[int, bytes]) -> Iterator[tuple[str, list[Asked]]]:
    """A server that gives these answers, and what it was asked."""
    asked: list[Asked] = []
    ahead = iter(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked.append((self.path, dict(self.headers), body))
            status, answer = next(ahead)
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


def photo_sender(url: str) -> IndexFaces:
    made = boto3.client(
        "rekognition",
        endpoint_url=url,
        region_name="eu-west-1",
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="example",
        config=Config(retries={"mode": "standard", "total_max_attempts": 2}),
    )
    send_photos_raw(made)
    chosen: IndexFaces = made.index_faces
    return chosen


def index(index_faces: IndexFaces, **image: Any) -> Any:
    return index_faces(
        CollectionId="staff", Image=image, ExternalImageId="a:b", MaxFaces=2, QualityFilter="LOW"
    )


def test_a_photo_is_sent_to_the_rest_route_unchanged_and_signed() -> None:
    with answering((200, b'{"FaceRecords": [], "FaceModelVersion": "1.2"}')) as (url, asked):
        answer = index(photo_sender(f"{url}/stage"), Bytes=PHOTO)
    assert answer["FaceModelVersion"] == "1.2"
    ((path, headers, body),) = asked
    assert body == PHOTO
    assert path == (
        "/stage/v1/collections/staff/faces?ExternalImageId=a%3Ab&MaxFaces=2&QualityFilter=LOW"
    )
    assert headers["Content-Type"] == "image/jpeg"
    assert headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
    assert "X-Amz-Target" not in headers


def test_a_transient_error_retries_the_same_photo() -> None:
    fault = b'{"__type": "InternalServerError", "Message": "not now"}'
    with answering((500, fault), (200, b'{"FaceRecords": []}')) as (url, asked):
        assert index(photo_sender(url), Bytes=PHOTO)["FaceRecords"] == []
    assert [(path, body) for path, _, body in asked] == [(asked[0][0], PHOTO)] * 2


def test_a_refusal_keeps_its_code() -> None:
    refusal = b'{"__type": "InvalidImageFormatException", "Message": "damaged"}'
    with (
        answering((400, refusal), (400, refusal)) as (url, _),
        pytest.raises(ClientError, match=r"InvalidImageFormatException.*damaged"),
    ):
        index(photo_sender(url), Bytes=PHOTO)


def test_a_photo_in_s3_is_sent_by_name() -> None:
    with answering((200, b'{"FaceRecords": []}')) as (url, asked):
        index(photo_sender(url), S3Object={"Bucket": "photos", "Name": "me.jpg"})
    ((path, headers, body),) = asked
    assert path == "/"
    assert headers["X-Amz-Target"] == "RekognitionService.IndexFaces"
    assert b'"Name": "me.jpg"' in body


def test_an_unreachable_server_raises_the_clients_own_error() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # it does not listen, and no other program gets the port
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(EndpointConnectionError):
            index(photo_sender(url), Bytes=PHOTO)
