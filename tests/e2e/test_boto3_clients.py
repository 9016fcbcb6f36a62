"""boto3's paginators, waiters, typed exceptions and retries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3
import pytest
from botocore.loaders import Loader

from facedex.api.catalog import OPERATIONS
from tests.e2e import streaming

if TYPE_CHECKING:
    from tests.conftest import Server

# The SDK's own tables of paginators and waiters.
_PAGINATORS = set(Loader().load_service_model("rekognition", "paginators-1")["pagination"])
_WAITERS = Loader().load_service_model("rekognition", "waiters-2")["waiters"]


@pytest.fixture
def rekognition(server: Server) -> Any:
    return server.client("rekognition")


@pytest.fixture
def collection(rekognition: Any, portraits: dict[str, bytes]) -> Iterator[str]:
    """Return a collection with five faces and five users."""
    name = f"boto3-{uuid4().hex}"
    rekognition.create_collection(CollectionId=name)
    for number in range(5):
        rekognition.index_faces(
            CollectionId=name,
            Image={"Bytes": portraits["grace"]},
            ExternalImageId=str(number),
        )
        rekognition.create_user(CollectionId=name, UserId=str(number))
    yield name
    rekognition.delete_collection(CollectionId=name)


def test_every_paginator_of_our_operations_is_tested_here() -> None:
    assert _PAGINATORS & set(OPERATIONS) == {
        "ListCollections",
        "ListFaces",
        "ListStreamProcessors",
        "ListUsers",
    }


@pytest.mark.parametrize(
    ("operation", "members"), [("list_faces", "Faces"), ("list_users", "Users")]
)
@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_paginators_yield_everything_once_in_pages_of_the_size_asked_for(
    rekognition: Any, collection: str, operation: str, members: str, size: int
) -> None:
    paginator = rekognition.get_paginator(operation)
    pages = list(paginator.paginate(CollectionId=collection, PaginationConfig={"PageSize": size}))
    assert all(len(page[members]) <= size for page in pages)
    listed = [next(iter(each.items())) for page in pages for each in page[members]]
    assert len(listed) == len(set(listed)) == 5
    assert "NextToken" not in pages[-1]


@pytest.mark.parametrize(
    ("operation", "members"), [("list_faces", "Faces"), ("list_users", "Users")]
)
def test_a_listing_resumes_from_its_token(
    rekognition: Any, collection: str, operation: str, members: str
) -> None:
    paginator = rekognition.get_paginator(operation)
    first = paginator.paginate(
        CollectionId=collection, PaginationConfig={"PageSize": 2, "MaxItems": 3}
    ).build_full_result()
    rest = paginator.paginate(
        CollectionId=collection,
        PaginationConfig={"PageSize": 2, "StartingToken": first["NextToken"]},
    ).build_full_result()
    assert len(first[members]) == 3
    whole = paginator.paginate(CollectionId=collection).build_full_result()
    assert [*first[members], *rest[members]] == whole[members]


def test_the_paginator_of_stream_processors_yields_each_once(
    rekognition: Any, collection: str
) -> None:
    names = [f"{collection}-{number}" for number in range(3)]
    for name in names:
        rekognition.create_stream_processor(**streaming.definition(name, collection))
    paginator = rekognition.get_paginator("list_stream_processors")
    pages = list(paginator.paginate(PaginationConfig={"PageSize": 2}))
    assert all(len(page["StreamProcessors"]) <= 2 for page in pages)
    listed = [each["Name"] for page in pages for each in page["StreamProcessors"]]
    assert [name for name in listed if name in names] == names
    assert len(listed) == len(set(listed))
    assert "NextToken" not in pages[-1]
    for name in names:
        rekognition.delete_stream_processor(Name=name)


def test_the_sdk_has_no_waiter_for_our_operations() -> None:
    # If a future boto3 has waiters, this test must check their conditions.
    assert {waiter["operation"] for waiter in _WAITERS.values()}.isdisjoint(OPERATIONS)


def test_errors_are_caught_by_the_clients_own_exception_types(rekognition: Any) -> None:
    with pytest.raises(rekognition.exceptions.ResourceNotFoundException):
        rekognition.describe_collection(CollectionId="nowhere")
    with pytest.raises(rekognition.exceptions.ResourceNotFoundException):
        rekognition.start_stream_processor(Name="nowhere")
    with pytest.raises(rekognition.exceptions.InvalidImageFormatException):
        rekognition.detect_faces(Image={"Bytes": b"not an image"})
    with pytest.raises(rekognition.exceptions.InvalidPaginationTokenException):
        rekognition.list_collections(NextToken="forged")


def test_environment_variables_alone_point_a_client_here(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": server.url,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
    }.items():
        monkeypatch.setenv(name, value)
    name = f"boto3-{uuid4().hex}"
    client = boto3.Session().client("rekognition")
    client.create_collection(CollectionId=name)
    assert name in server.client("rekognition").list_collections()["CollectionIds"]
    client.delete_collection(CollectionId=name)
