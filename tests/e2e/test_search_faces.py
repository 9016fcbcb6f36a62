"""SearchFaces and SearchFacesByImage through an unmodified boto3, on real photos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image, ImageEnhance, ImageOps

from tests.e2e.photos import Alteration, Portraits, altered

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient

ALTERATIONS: dict[str, tuple[Alteration, int]] = {
    "mirrored": (ImageOps.mirror, 92),
    "rotated": (
        lambda picture: picture.rotate(15, expand=True, resample=Image.Resampling.BICUBIC),
        92,
    ),
    "half size": (lambda picture: picture.reduce(2), 92),
    "rough": (lambda picture: picture, 40),
    "grey": (ImageOps.grayscale, 92),
    "darker": (lambda picture: ImageEnhance.Brightness(picture).enhance(0.6), 92),
}


@pytest.mark.parametrize("alteration", ALTERATIONS)
@pytest.mark.parametrize("name", ["eileen", "grace"])
def test_only_the_right_person_is_found_in_an_altered_photo(
    rekognition: RekognitionClient,
    collection: str,
    staff: dict[str, str],
    portraits: Portraits,
    name: str,
    alteration: str,
) -> None:
    photo = altered(portraits[name], *ALTERATIONS[alteration])
    answer = rekognition.search_faces_by_image(
        CollectionId=collection, Image={"Bytes": photo}, FaceMatchThreshold=90
    )
    (match,) = answer["FaceMatches"]
    assert match["Face"]["FaceId"] == staff[name]
    assert match["Face"]["ExternalImageId"] == name
    assert match["Similarity"] >= 90
    assert answer["SearchedFaceConfidence"] > 80
    assert 0 < answer["SearchedFaceBoundingBox"]["Width"] < 1


def test_every_face_is_ranked_at_threshold_0(
    rekognition: RekognitionClient, collection: str, staff: dict[str, str], portraits: Portraits
) -> None:
    answer = rekognition.search_faces_by_image(
        CollectionId=collection, Image={"Bytes": portraits["grace"]}, FaceMatchThreshold=0
    )
    assert [match["Face"]["FaceId"] for match in answer["FaceMatches"]] == [
        staff["grace"],
        staff["eileen"],
    ]
    assert answer["FaceMatches"][0]["Similarity"] > 99.9
    assert answer["FaceMatches"][1]["Similarity"] < 80


def test_a_stored_face_finds_similar_faces_and_never_itself(
    rekognition: RekognitionClient, collection: str, staff: dict[str, str], portraits: Portraits
) -> None:
    mirrored = rekognition.index_faces(
        CollectionId=collection, Image={"Bytes": altered(portraits["eileen"], ImageOps.mirror)}
    )["FaceRecords"][0]["Face"]["FaceId"]
    answer = rekognition.search_faces(CollectionId=collection, FaceId=staff["eileen"])
    assert answer["SearchedFaceId"] == staff["eileen"]
    assert [match["Face"]["FaceId"] for match in answer["FaceMatches"]] == [mirrored]
    alone = rekognition.search_faces(CollectionId=collection, FaceId=staff["grace"])
    assert alone["FaceMatches"] == []


def test_the_faces_of_a_couple_are_distinguished(
    rekognition: RekognitionClient, collection: str, data: Path
) -> None:
    photo = (data / "groups" / "couple.jpg").read_bytes()
    records = rekognition.index_faces(CollectionId=collection, Image={"Bytes": photo})[
        "FaceRecords"
    ]
    assert len(records) == 2
    for record in records:
        matches = rekognition.search_faces(
            CollectionId=collection, FaceId=record["Face"]["FaceId"]
        )["FaceMatches"]
        assert matches == []
