"""Buckets in the path of a request, or in the name of its host."""

from __future__ import annotations

from collections.abc import Iterator
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

from facedex_local.aws.moto_app import Moto
from facedex_local.http.listener import Listener
from facedex_local.http.wsgi import Wsgi

_SIGNED = (
    "AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/s3/aws4_request,"
    " SignedHeaders=host, Signature=-"
)


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    moto = Moto()
    moto.load()
    listener = Listener(Wsgi(moto), host="127.0.0.1", port=0, threads=4)
    listener.start()
    yield listener
    listener.stop()


def send(listener: Listener, method: str, host: str, path: str, body: bytes = b"") -> bytes | None:
    """Send a request for S3 to a host, and return the answer's body, or None if it is an error."""
    connection = HTTPConnection(urlsplit(listener.url).netloc)
    connection.request(method, path, body, {"Host": host, "Authorization": _SIGNED})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return content if answer.status < 300 else None


@pytest.mark.parametrize(
    "host", ["office.example:9000", "faces.office.example", "office", "localhost:9000", "127.0.0.1"]
)
def test_the_path_names_the_bucket_whatever_the_server_is_called(
    listener: Listener, host: str
) -> None:
    assert send(listener, "PUT", host, "/photos") is not None
    assert send(listener, "PUT", host, "/photos/ann.jpg", b"a photo") is not None
    assert send(listener, "GET", host, "/photos/ann.jpg") == b"a photo"
    assert b"<Name>photos</Name>" in (send(listener, "GET", host, "/") or b"")


@pytest.mark.parametrize(
    "host", ["rooms.localhost:9000", "rooms.s3.localhost", "rooms.s3.us-east-1.amazonaws.com"]
)
def test_names_of_aws_and_below_localhost_can_name_the_bucket(
    listener: Listener, host: str
) -> None:
    assert send(listener, "PUT", "localhost", "/rooms") is not None
    assert send(listener, "PUT", host, "/ann.jpg", b"a photo") is not None
    assert send(listener, "GET", "localhost", "/rooms/ann.jpg") == b"a photo"
