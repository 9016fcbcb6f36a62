"""Every kind of bad input gets a modelled error and a sentence, through a real boto3 client."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from tests.e2e.unchecked import UNCHECKED, refused

if TYPE_CHECKING:
    from tests.conftest import Server

FACE = "11111111-2222-3333-4444-555555555555"


@pytest.fixture
def rekognition(server: Server) -> Any:
    return server.client("rekognition", config=UNCHECKED)


def post(server: Server, body: bytes, **headers: str) -> tuple[int, dict[str, Any]]:
    address = urlsplit(server.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
    connection.request(
        "POST",
        "/",
        body=body,
        headers={"Content-Type": "application/x-amz-json-1.1", **headers},
    )
    response = connection.getresponse()
    assert response.headers["x-amzn-RequestId"]
    answer = json.loads(response.read())
    connection.close()
    return response.status, answer


@pytest.mark.parametrize("body", [b"{", b"[1]", b'"x"', b'{"MaxResults": NaN}', b"\xff\xfe"])
def test_a_body_that_is_not_a_json_object(server: Server, body: bytes) -> None:
    status, error = post(server, body, **{"X-Amz-Target": "RekognitionService.ListCollections"})
    assert (status, error["__type"]) == (400, "SerializationException")
    assert error["Message"]


@pytest.mark.parametrize("name", ["DetectCats", "", "DetectFaces.x"])
def test_an_unknown_target(server: Server, name: str) -> None:
    status, error = post(server, b"{}", **{"X-Amz-Target": f"RekognitionService.{name}"})
    assert (status, error["__type"]) == (400, "UnknownOperationException")
    assert "IndexFaces" in error["Message"]


def test_a_body_larger_than_any_valid_request(server: Server) -> None:
    status, error = post(
        server, b" " * 16_000_000, **{"X-Amz-Target": "RekognitionService.DetectFaces"}
    )
    assert (status, error["__type"]) == (413, "RequestEntityTooLargeException")
    assert "bytes" in error["Message"]


@pytest.mark.parametrize(
    ("operation", "members", "place"),
    [
        ("CreateCollection", {"CollectionId": 5}, "collectionId"),
        ("ListCollections", {"MaxResults": "ten"}, "maxResults"),
        ("DetectFaces", {"Image": "me.jpg"}, "image"),
        ("DetectFaces", {"Image": {"Bytes": "not base64!"}}, "image.bytes"),
        ("DeleteFaces", {"CollectionId": "a", "FaceIds": FACE}, "faceIds"),
        (
            "SearchFaces",
            {"CollectionId": "a", "FaceId": FACE, "FaceMatchThreshold": "9"},
            "faceMatchThreshold",
        ),
    ],
)
def test_a_member_of_the_wrong_type(
    server: Server, operation: str, members: dict[str, Any], place: str
) -> None:
    status, error = post(
        server, json.dumps(members).encode(), **{"X-Amz-Target": f"RekognitionService.{operation}"}
    )
    assert (status, error["__type"]) == (400, "SerializationException")
    assert f"'{place}'" in error["Message"]


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_threshold_that_is_not_a_number_is_refused(rekognition: Any, number: float) -> None:
    code, message, _ = refused(
        rekognition, "search_faces", CollectionId="a", FaceId=FACE, FaceMatchThreshold=number
    )
    assert code == "SerializationException"
    assert "'faceMatchThreshold' must be a finite number" in message


@pytest.mark.parametrize(
    ("operation", "members", "place"),
    [
        ("create_collection", {}, "collectionId"),
        ("create_collection", {"CollectionId": ""}, "collectionId"),
        ("create_collection", {"CollectionId": "a b"}, "collectionId"),
        ("create_collection", {"CollectionId": "a" * 256}, "collectionId"),
        ("list_faces", {"CollectionId": "a", "MaxResults": 4097}, "maxResults"),
        ("list_faces", {"CollectionId": "a", "MaxResults": -1}, "maxResults"),
        ("search_faces", {"CollectionId": "a", "FaceId": "nobody"}, "faceId"),
        (
            "search_faces",
            {"CollectionId": "a", "FaceId": FACE, "FaceMatchThreshold": 101},
            "faceMatchThreshold",
        ),
        (
            "search_faces",
            {"CollectionId": "a", "FaceId": FACE, "FaceMatchThreshold": -0.5},
            "faceMatchThreshold",
        ),
        ("search_faces", {"CollectionId": "a", "FaceId": FACE, "MaxFaces": 0}, "maxFaces"),
        ("search_faces", {"CollectionId": "a", "FaceId": FACE, "MaxFaces": 4097}, "maxFaces"),
        ("delete_faces", {"CollectionId": "a", "FaceIds": []}, "faceIds"),
        ("detect_faces", {"Image": {"Bytes": b""}}, "image.bytes"),
        ("detect_faces", {"Image": {"Bytes": b"\xff\xd8\xff" * 1_800_000}}, "image.bytes"),
        ("detect_faces", {}, "image"),
    ],
)
def test_a_member_that_breaks_a_constraint(
    rekognition: Any, operation: str, members: dict[str, Any], place: str
) -> None:
    code, message, status = refused(rekognition, operation, **members)
    assert (code, status) == ("ValidationException", 400)
    assert f"'{place}'" in message


def test_nine_hundred_thousand_face_ids_are_refused_by_their_number(server: Server) -> None:
    body = json.dumps({"CollectionId": "a", "FaceIds": ["bad id"] * 900_000}).encode()
    status, error = post(server, body, **{"X-Amz-Target": "RekognitionService.DeleteFaces"})
    assert (status, error["__type"]) == (400, "ValidationException")
    assert "Value of 900000 members at 'faceIds' failed to satisfy constraint" in error["Message"]


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("describe_collection", {}),
        ("delete_collection", {}),
        ("list_faces", {}),
        ("delete_faces", {"FaceIds": [FACE]}),
        ("search_faces", {"FaceId": FACE}),
        ("index_faces", {"Image": {"Bytes": b"not looked at"}}),
        ("search_faces_by_image", {"Image": {"Bytes": b"not looked at"}}),
    ],
)
def test_a_collection_that_does_not_exist(
    rekognition: Any, operation: str, members: dict[str, Any]
) -> None:
    code, message, _ = refused(rekognition, operation, CollectionId="nowhere", **members)
    assert code == "ResourceNotFoundException"
    assert "nowhere" in message


def test_a_collection_that_exists_already(rekognition: Any, collection: str) -> None:
    code, message, _ = refused(rekognition, "create_collection", CollectionId=collection)
    assert code == "ResourceAlreadyExistsException"
    assert collection in message


def test_a_face_that_does_not_exist(rekognition: Any, collection: str) -> None:
    code, message, _ = refused(rekognition, "search_faces", CollectionId=collection, FaceId=FACE)
    assert code == "InvalidParameterException"
    assert FACE in message


def test_a_user_that_does_not_exist(rekognition: Any, collection: str) -> None:
    code, message, _ = refused(rekognition, "list_faces", CollectionId=collection, UserId="ann")
    assert code == "ResourceNotFoundException"
    assert "ann" in message


@pytest.mark.parametrize("token", ["forged", " ", "a.b", "é" * 9, "x" * 255])
def test_a_forged_page_token(rekognition: Any, collection: str, token: str) -> None:
    for operation, members in (
        ("list_collections", {}),
        ("list_faces", {"CollectionId": collection}),
    ):
        code, message, _ = refused(rekognition, operation, NextToken=token, **members)
        assert code == "InvalidPaginationTokenException"
        assert "NextToken" in message


def test_an_empty_page_token_asks_for_the_first_page(rekognition: Any, collection: str) -> None:
    for operation, members in (
        ("list_collections", {"MaxResults": 1}),
        ("list_faces", {"CollectionId": collection}),
        ("list_users", {"CollectionId": collection}),
        ("list_stream_processors", {}),
    ):
        first, same = (
            getattr(rekognition, operation)(**members, **token) for token in ({}, {"NextToken": ""})
        )
        del first["ResponseMetadata"], same["ResponseMetadata"]
        assert first == same


def test_a_page_token_of_a_recreated_collection_is_refused(
    rekognition: Any, portraits: dict[str, bytes]
) -> None:
    name = f"bad-{uuid4().hex}"

    def fill() -> None:
        rekognition.create_collection(CollectionId=name)
        for external in ("a", "b"):
            rekognition.index_faces(
                CollectionId=name,
                Image={"Bytes": portraits["grace"]},
                ExternalImageId=external,
            )

    fill()
    token = rekognition.list_faces(CollectionId=name, MaxResults=1)["NextToken"]
    rekognition.delete_collection(CollectionId=name)
    fill()
    for operation, members in (("list_faces", {"CollectionId": name}), ("list_collections", {})):
        code, message, _ = refused(rekognition, operation, NextToken=token, **members)
        assert code == "InvalidPaginationTokenException"
        assert "repeat the listing from its start" in message
    rekognition.delete_collection(CollectionId=name)


def test_a_refused_request_changes_nothing(
    rekognition: Any, collection: str, portraits: dict[str, bytes]
) -> None:
    photo = {"Bytes": portraits["grace"]}
    refused(rekognition, "index_faces", CollectionId=collection, Image=photo, ExternalImageId="a b")
    refused(
        rekognition, "index_faces", CollectionId=collection, Image={"Bytes": photo["Bytes"][:999]}
    )
    assert rekognition.describe_collection(CollectionId=collection)["FaceCount"] == 0
