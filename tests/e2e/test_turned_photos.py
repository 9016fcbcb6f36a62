"""Photos do not need an EXIF orientation: rotated copies of a photo match each other."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
import pytest
from PIL import Image

from tests.media.turning import Pixels, turned

if TYPE_CHECKING:
    from tests.conftest import Server


@pytest.fixture(scope="module")
def client(server: Server) -> Any:
    return server.client("rekognition")


@pytest.fixture
def collection(client: Any) -> Iterator[str]:
    name = f"turned-{uuid4().hex}"
    client.create_collection(CollectionId=name)
    yield name
    client.delete_collection(CollectionId=name)


def photo(pixels: Pixels) -> dict[str, bytes]:
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, "PNG")
    return {"Bytes": written.getvalue()}


def read(content: bytes) -> Pixels:
    with Image.open(io.BytesIO(content)) as opened:
        return np.asarray(opened.convert("RGB"))


def turned_photo(content: bytes, degrees: int) -> dict[str, bytes]:
    return photo(turned(read(content), degrees))


@pytest.mark.parametrize("degrees", [90, 135, 180, 225, 270])
def test_turned_copies_find_the_upright_face_and_the_other_way_round(
    client: Any, collection: str, portraits: dict[str, bytes], degrees: int
) -> None:
    for name, content in portraits.items():
        (record,) = client.index_faces(
            CollectionId=collection, Image={"Bytes": content}, ExternalImageId=name
        )["FaceRecords"]
        copy = turned_photo(content, degrees)
        (match,) = client.search_faces_by_image(
            CollectionId=collection, Image=copy, FaceMatchThreshold=99
        )["FaceMatches"]
        assert match["Face"]["FaceId"] == record["Face"]["FaceId"]
        (stored,) = client.index_faces(
            CollectionId=collection,
            Image=copy,
            ExternalImageId=f"{name}-turned",
            DetectionAttributes=["ALL"],
        )["FaceRecords"]
        roll = stored["FaceDetail"]["Pose"]["Roll"] - record["FaceDetail"]["Pose"]["Roll"]
        assert abs((roll - degrees + 180) % 360 - 180) < 8
        (both,) = client.compare_faces(
            SourceImage={"Bytes": content}, TargetImage=copy, SimilarityThreshold=99
        )["FaceMatches"]
        assert both["Similarity"] >= 99


def left_out(client: Any, collection: str, pixels: Pixels, quality_filter: str) -> list[list[str]]:
    """Return the reasons why faces of a photo were not indexed, and check that none was."""
    answer = client.index_faces(
        CollectionId=collection, Image=photo(pixels), QualityFilter=quality_filter
    )
    assert answer["FaceRecords"] == []
    assert client.list_faces(CollectionId=collection)["Faces"] == []
    for face in answer["UnindexedFaces"]:
        assert face["FaceDetail"]["Confidence"] > 90
    return [face["Reasons"] for face in answer["UnindexedFaces"]]


@pytest.mark.parametrize("quality_filter", ["AUTO", "NONE"])
def test_a_negative_is_excluded_with_a_reason(
    client: Any, collection: str, portraits: dict[str, bytes], quality_filter: str
) -> None:
    """The detector's box has full confidence, but eyes, nose and mouth are implausible."""
    for content in portraits.values():
        for degrees in (0, 270):
            negative = turned(255 - read(content), degrees)
            assert left_out(client, collection, negative, quality_filter) == [["LOW_FACE_QUALITY"]]


@pytest.mark.parametrize("quality_filter", ["AUTO", "NONE"])
def test_a_face_cut_off_above_the_mouth_is_excluded_with_a_reason(
    client: Any, collection: str, portraits: dict[str, bytes], quality_filter: str
) -> None:
    content = portraits["grace"]
    (face,) = client.detect_faces(Image={"Bytes": content})["FaceDetails"]
    box = face["BoundingBox"]
    pixels = read(content)
    below = pixels[round(len(pixels) * (box["Top"] + 0.6 * box["Height"])) :]
    assert left_out(client, collection, below, quality_filter) == [["LOW_FACE_QUALITY"]]


def test_a_photo_of_nothing_but_a_negative_cannot_be_searched_with(
    client: Any, collection: str, portraits: dict[str, bytes]
) -> None:
    with pytest.raises(client.exceptions.InvalidParameterException):
        client.search_faces_by_image(
            CollectionId=collection, Image=photo(255 - read(portraits["eileen"]))
        )


def test_other_faces_of_a_photo_are_indexed_when_one_is_excluded(
    client: Any, collection: str, portraits: dict[str, bytes]
) -> None:
    grace, eileen = (read(portraits[name])[:500, :512] for name in ("grace", "eileen"))
    both = np.concatenate([255 - grace, eileen], axis=1)
    answer = client.index_faces(CollectionId=collection, Image=photo(both))
    assert len(answer["FaceRecords"]) == 1
    assert [face["Reasons"] for face in answer["UnindexedFaces"]] == [["LOW_FACE_QUALITY"]]
    (match,) = client.search_faces_by_image(
        CollectionId=collection, Image={"Bytes": portraits["eileen"]}, FaceMatchThreshold=99
    )["FaceMatches"]
    assert match["Face"]["FaceId"] == answer["FaceRecords"][0]["Face"]["FaceId"]


def test_a_face_that_cannot_be_recognised_is_among_the_unmatched_faces(
    client: Any, portraits: dict[str, bytes]
) -> None:
    grace, eileen = (read(portraits[name])[:500, :512] for name in ("grace", "eileen"))
    negative = photo(255 - grace)
    both = photo(np.concatenate([255 - grace, eileen], axis=1))
    source = {"Bytes": portraits["eileen"]}
    (found,) = client.detect_faces(Image=negative)["FaceDetails"]
    for quality_filter in ({}, {"QualityFilter": "NONE"}):
        alone = client.compare_faces(SourceImage=source, TargetImage=negative, **quality_filter)
        assert alone["FaceMatches"] == []
        assert alone["UnmatchedFaces"] == [found]
        answer = client.compare_faces(
            SourceImage=source, TargetImage=both, SimilarityThreshold=0, **quality_filter
        )
        (match,), (other,) = answer["FaceMatches"], answer["UnmatchedFaces"]
        assert match["Similarity"] > 99
        assert other["BoundingBox"]["Left"] < 0.5 < match["Face"]["BoundingBox"]["Left"]
    # Under any other filter it is filtered, and so not compared.
    answer = client.compare_faces(SourceImage=source, TargetImage=both, QualityFilter="AUTO")
    assert len(answer["FaceMatches"]) == 1
    assert answer["UnmatchedFaces"] == []
    for images, chosen in (
        ({"SourceImage": negative, "TargetImage": source}, "NONE"),
        ({"SourceImage": source, "TargetImage": negative}, "AUTO"),
    ):
        with pytest.raises(client.exceptions.InvalidParameterException):
            client.compare_faces(**images, QualityFilter=chosen)
