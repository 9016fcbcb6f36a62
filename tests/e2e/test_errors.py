"""Errors have Rekognition's members and sentences, on every route and from every part."""

from __future__ import annotations

import http.client
import io
import json
import socket
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import numpy as np
import pytest
from PIL import Image

from tests.conftest import Server

JSON = "application/x-amz-json-1.1"
S3 = "Unable to get object metadata from S3. Check object key, region and/or access permissions."


def blank() -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.full((200, 200, 3), 200, np.uint8)).save(out, "JPEG")
    return out.getvalue()


@pytest.fixture
def staff(server: Server) -> Any:
    name = f"errors-{uuid4().hex}"
    client = server.client("rekognition")
    client.create_collection(CollectionId=name)
    yield name
    client.delete_collection(CollectionId=name)


# The sentences of "Error messages and codes" in the developer guide, and those that clients know.
DOCUMENTED = {
    "create_collection": (
        {"CollectionId": "STAFF"},
        "ResourceAlreadyExistsException",
        "The collection id: STAFF already exists",
    ),
    "describe_collection": (
        {"CollectionId": "nowhere"},
        "ResourceNotFoundException",
        "The collection id: nowhere does not exist",
    ),
    "list_faces": (
        {"CollectionId": "STAFF", "NextToken": "forged"},
        "InvalidPaginationTokenException",
        "Invalid Pagination Token",
    ),
    "detect_faces": (
        {"Image": {"Bytes": b"GIF89a, or anything else"}},
        "InvalidImageFormatException",
        "Request has invalid image format",
    ),
    "index_faces": (
        {"CollectionId": "STAFF", "Image": {"S3Object": {"Bucket": "no-bucket", "Name": "a.jpg"}}},
        "InvalidS3ObjectException",
        S3,
    ),
    "start_face_detection": (
        {"Video": {"S3Object": {"Bucket": "no-bucket", "Name": "a.mp4"}}},
        "InvalidS3ObjectException",
        S3,
    ),
    "search_faces": (
        {"CollectionId": "STAFF", "FaceId": "11111111-2222-3333-4444-555555555555"},
        "InvalidParameterException",
        "faceId was not found in the collection.",
    ),
    "search_faces_by_image": (
        {"CollectionId": "STAFF", "Image": {"Bytes": "BLANK"}},
        "InvalidParameterException",
        "There are no faces in the image. Should be at least 1.",
    ),
    "compare_faces": (
        {"SourceImage": {"Bytes": "BLANK"}, "TargetImage": {"Bytes": "BLANK"}},
        "InvalidParameterException",
        "Request has invalid parameters.",
    ),
    "search_users": (
        {"CollectionId": "STAFF"},
        "InvalidParameterException",
        "Request has invalid parameters.",
    ),
    "list_tags_for_resource": (
        {"ResourceArn": "arn:aws:s3:::a-bucket-of-photos"},
        "InvalidParameterException",
        "Request has invalid parameters.",
    ),
}


def _fill(value: Any, staff: str) -> Any:
    if isinstance(value, dict):
        return {name: _fill(each, staff) for name, each in value.items()}
    return {"STAFF": staff, "BLANK": blank()}.get(value, value)


@pytest.mark.parametrize("method", DOCUMENTED)
def test_messages_begin_with_the_documented_sentence(
    method: str, server: Server, staff: str
) -> None:
    members, code, sentence = DOCUMENTED[method]
    client = server.client("rekognition")
    with pytest.raises(getattr(client.exceptions, code)) as caught:
        getattr(client, method)(**_fill(members, staff))
    error = caught.value.response["Error"]
    assert error["Code"] == code
    assert error["Message"].startswith(sentence.replace("STAFF", staff))
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_reused_request_token_is_named(server: Server, staff: str) -> None:
    client, token = server.client("rekognition"), uuid4().hex
    client.create_user(CollectionId=staff, UserId="eileen", ClientRequestToken=token)
    with pytest.raises(client.exceptions.IdempotentParameterMismatchException) as caught:
        client.create_user(CollectionId=staff, UserId="grace", ClientRequestToken=token)
    assert caught.value.response["Error"]["Message"].startswith(
        f"The ClientRequestToken: {token} you have supplied is already in use."
    )


REFUSED = {
    "a collection that does not exist": (
        "POST",
        "/",
        {"X-Amz-Target": "RekognitionService.DescribeCollection", "Content-Type": JSON},
        b'{"CollectionId": "nowhere"}',
    ),
    "an unknown operation": (
        "POST",
        "/",
        {"X-Amz-Target": "RekognitionService.Nothing", "Content-Type": JSON},
        b"{}",
    ),
    "a body that is not JSON": (
        "POST",
        "/",
        {"X-Amz-Target": "RekognitionService.ListCollections", "Content-Type": JSON},
        b"{",
    ),
    "a REST resource that does not exist": ("GET", "/v1/collections/nowhere", {}, b""),
    "a path that does not exist": ("GET", "/v1/colections", {}, b""),
    "a method that a path lacks": ("PATCH", "/v1/collections", {}, b""),
    "a page of another site": ("GET", "/v1/collections", {"Origin": "https://evil.example"}, b""),
    "a body that is too large": (
        "POST",
        "/",
        {"X-Amz-Target": "RekognitionService.DetectFaces", "Content-Type": JSON},
        b" " * (15 * 1024 * 1024 + 1),
    ),
}


def check(body: bytes, request_id: str | None) -> None:
    error = json.loads(body)
    assert set(error) == {"__type", "Code", "Logref", "Message"}
    assert error["Code"] == error["__type"]
    assert error["Message"]
    assert error["Logref"] == request_id
    UUID(error["Logref"])


@pytest.mark.parametrize("case", REFUSED)
def test_every_error_has_all_members(case: str, server: Server) -> None:
    method, path, headers, body = REFUSED[case]
    place = urlsplit(server.url)
    connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=60)
    connection.request(method, path, body=body, headers=headers)
    response = connection.getresponse()
    assert response.status >= 400
    check(response.read(), response.headers["x-amzn-RequestId"])
    connection.close()


def test_error_for_invalid_http_has_all_members(server: Server) -> None:
    place = urlsplit(server.url)
    with socket.create_connection((str(place.hostname), place.port or 0), timeout=60) as sock:
        sock.sendall(b"no HTTP at all\r\n\r\n")
        received = b""
        while piece := sock.recv(65536):
            received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    (line,) = [line for line in head.split(b"\r\n") if line.lower().startswith(b"x-amzn-requestid")]
    check(body, line.partition(b":")[2].strip().decode())
