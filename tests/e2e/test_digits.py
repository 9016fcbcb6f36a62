"""A face has the same numbers in every response, to the last digit."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.conftest import Server


@pytest.fixture(scope="module")
def rekognition(server: Server) -> Any:
    return server.client("rekognition")


@pytest.fixture
def collection(rekognition: Any) -> Iterator[str]:
    name = f"digits-{uuid4().hex}"
    rekognition.create_collection(CollectionId=name)
    yield name
    rekognition.delete_collection(CollectionId=name)


def numbers(document: Any) -> Iterator[float]:
    """Yield the numbers in a document."""
    if isinstance(document, Mapping):
        for value in document.values():
            yield from numbers(value)
    elif isinstance(document, list):
        for value in document:
            yield from numbers(value)
    elif isinstance(document, float):
        yield document


def of_record(face: Mapping[str, Any]) -> tuple[Any, float]:
    return face["BoundingBox"], face["Confidence"]


def test_numbers_of_faces_agree_in_every_response(
    rekognition: Any, collection: str, portraits: dict[str, bytes], data: Path
) -> None:
    photos = [*portraits.values(), *(each.read_bytes() for each in (data / "groups").iterdir())]
    stored: dict[str, tuple[Any, float]] = {}
    for photo in photos:
        image = {"Bytes": photo}
        detected = rekognition.detect_faces(Image=image)["FaceDetails"]
        answer = rekognition.index_faces(CollectionId=collection, Image=image, QualityFilter="NONE")
        details = [each["FaceDetail"] for each in answer["FaceRecords"] + answer["UnindexedFaces"]]
        assert sorted(details, key=str) == sorted(detected, key=str)
        for record in answer["FaceRecords"]:
            assert of_record(record["Face"]) == of_record(record["FaceDetail"])
            stored[record["Face"]["FaceId"]] = of_record(record["Face"])
        again = rekognition.index_faces(CollectionId=collection, Image=image, QualityFilter="NONE")
        assert again["FaceRecords"] == answer["FaceRecords"]
    assert len(stored) > 10
    listed = rekognition.list_faces(CollectionId=collection)["Faces"]
    assert {each["FaceId"]: of_record(each) for each in listed} == stored
    found = rekognition.search_faces(
        CollectionId=collection, FaceId=next(iter(stored)), FaceMatchThreshold=0
    )
    assert len(found["FaceMatches"]) == len(stored) - 1
    first = {"Bytes": photos[0]}
    by_image = rekognition.search_faces_by_image(
        CollectionId=collection, Image=first, FaceMatchThreshold=0
    )
    for match in found["FaceMatches"] + by_image["FaceMatches"]:
        assert of_record(match["Face"]) == stored[match["Face"]["FaceId"]]
    (largest, *_) = rekognition.detect_faces(Image=first)["FaceDetails"]
    assert by_image["SearchedFaceBoundingBox"] == largest["BoundingBox"]
    assert by_image["SearchedFaceConfidence"] == largest["Confidence"]
    compared = rekognition.compare_faces(
        SourceImage=first, TargetImage=first, SimilarityThreshold=0, QualityFilter="NONE"
    )
    assert compared["SourceImageFace"]["BoundingBox"] == largest["BoundingBox"]
    # The service model's "float" has single precision, as Rekognition's answers show.
    for number in numbers([listed, found["FaceMatches"], by_image, compared, largest]):
        assert struct.unpack("f", struct.pack("f", number))[0] == number
