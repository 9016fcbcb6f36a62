"""Collections and the faces stored in them, through an unmodified boto3, on real photos."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from uuid import uuid4

from tests.e2e.photos import Portraits

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient

    from tests.conftest import Server


def test_a_collection_lives_from_create_to_delete(rekognition: RekognitionClient) -> None:
    name = f"life-{uuid4().hex}"
    made = rekognition.create_collection(CollectionId=name)
    assert made["StatusCode"] == 200
    assert made["CollectionArn"].endswith(f":collection/{name}")
    assert re.fullmatch(r"arn:aws:rekognition:[\w-]+:\d{12}:collection/.+", made["CollectionArn"])

    described = rekognition.describe_collection(CollectionId=name)
    assert described["FaceCount"] == 0
    assert described["CollectionARN"] == made["CollectionArn"]
    assert described["FaceModelVersion"] == made["FaceModelVersion"]
    assert described["CreationTimestamp"].tzinfo is not None

    assert name in rekognition.list_collections()["CollectionIds"]
    assert rekognition.delete_collection(CollectionId=name)["StatusCode"] == 200
    assert name not in rekognition.list_collections()["CollectionIds"]


def test_arns_name_the_region_that_the_client_is_set_to(server: Server) -> None:
    client = server.client("rekognition", region_name="eu-west-1")
    name = f"region-{uuid4().hex}"
    arn = client.create_collection(CollectionId=name, Tags={"team": "flight"})["CollectionArn"]
    assert arn == f"arn:aws:rekognition:eu-west-1:123456789012:collection/{name}"
    assert client.list_tags_for_resource(ResourceArn=arn)["Tags"] == {"team": "flight"}
    assert client.describe_collection(CollectionId=name)["CollectionARN"] == arn
    client.delete_collection(CollectionId=name)


def test_collections_are_listed_page_by_page(rekognition: RekognitionClient) -> None:
    names = [f"page-{uuid4().hex}" for _ in range(5)]
    for name in names:
        rekognition.create_collection(CollectionId=name)
    pages = rekognition.get_paginator("list_collections").paginate(PaginationConfig={"PageSize": 2})
    listed = [name for page in pages for name in page["CollectionIds"]]
    assert [name for name in listed if name in names] == names
    for name in names:
        rekognition.delete_collection(CollectionId=name)


def test_faces_are_listed_page_by_page_and_by_id(
    rekognition: RekognitionClient, collection: str, staff: dict[str, str], portraits: Portraits
) -> None:
    for number in range(5):
        rekognition.index_faces(
            CollectionId=collection,
            Image={"Bytes": portraits["grace"]},
            ExternalImageId=f"copy-{number}",
        )
    pages = rekognition.get_paginator("list_faces").paginate(
        CollectionId=collection, PaginationConfig={"PageSize": 3}
    )
    listed = [face for page in pages for face in page["Faces"]]
    assert len(listed) == len({face["FaceId"] for face in listed}) == 7
    assert {face["IndexFacesModelVersion"] for face in listed} == {"7.1"}
    named = rekognition.list_faces(CollectionId=collection, FaceIds=[staff["eileen"]])["Faces"]
    assert [face["ExternalImageId"] for face in named] == ["eileen"]


def test_deleted_faces_are_not_found_and_unknown_ones_are_reported(
    rekognition: RekognitionClient, collection: str, staff: dict[str, str], portraits: Portraits
) -> None:
    unknown = str(uuid4())
    answer = rekognition.delete_faces(
        CollectionId=collection, FaceIds=[staff["eileen"], unknown, staff["eileen"]]
    )
    assert answer["DeletedFaces"] == [staff["eileen"]]
    assert answer["UnsuccessfulFaceDeletions"] == [
        {"FaceId": unknown, "Reasons": ["FACE_NOT_FOUND"]}
    ]
    found = rekognition.search_faces_by_image(
        CollectionId=collection, Image={"Bytes": portraits["eileen"]}
    )
    assert found["FaceMatches"] == []
    assert rekognition.describe_collection(CollectionId=collection)["FaceCount"] == 1


def test_every_answer_carries_its_request_id(rekognition: RekognitionClient) -> None:
    answers = [rekognition.list_collections()["ResponseMetadata"] for _ in range(2)]
    ids = {answer["RequestId"] for answer in answers}
    assert len(ids) == 2
    assert all(re.fullmatch(r"[0-9a-f-]{36}", request_id) for request_id in ids)
