"""IndexFaces through an unmodified boto3, on real photos."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image, ImageEnhance, ImageFilter

from tests.e2e.photos import Alteration, Portraits, altered, grown, jpeg

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient


def test_a_photo_indexed_is_a_face_record_with_its_details(
    rekognition: RekognitionClient, collection: str, portraits: Portraits
) -> None:
    answer = rekognition.index_faces(
        CollectionId=collection,
        Image={"Bytes": portraits["eileen"]},
        ExternalImageId="eileen",
        DetectionAttributes=["DEFAULT"],
    )
    (record,) = answer["FaceRecords"]
    assert answer["UnindexedFaces"] == []
    assert record["Face"]["ExternalImageId"] == "eileen"
    assert record["Face"]["Confidence"] > 90
    assert record["Face"]["BoundingBox"] == pytest.approx(record["FaceDetail"]["BoundingBox"])
    box = record["FaceDetail"]["BoundingBox"]
    marks = {mark["Type"]: mark for mark in record["FaceDetail"]["Landmarks"]}
    assert set(marks) == {"eyeLeft", "eyeRight", "nose", "mouthLeft", "mouthRight"}
    assert marks["eyeLeft"]["X"] < marks["nose"]["X"] < marks["eyeRight"]["X"]
    assert marks["eyeLeft"]["Y"] < marks["nose"]["Y"] < marks["mouthLeft"]["Y"]
    for mark in marks.values():
        assert box["Left"] < mark["X"] < box["Left"] + box["Width"]
        assert box["Top"] < mark["Y"] < box["Top"] + box["Height"]
    assert abs(record["FaceDetail"]["Pose"]["Yaw"]) < 45
    assert 20 < record["FaceDetail"]["Quality"]["Brightness"] <= 100
    assert 20 < record["FaceDetail"]["Quality"]["Sharpness"] <= 100
    assert rekognition.describe_collection(CollectionId=collection)["FaceCount"] == 1


def test_the_same_photo_indexed_twice_gives_the_same_face_ids(
    rekognition: RekognitionClient, collection: str, staff: dict[str, str], portraits: Portraits
) -> None:
    again = rekognition.index_faces(
        CollectionId=collection, Image={"Bytes": portraits["eileen"]}, ExternalImageId="eileen"
    )
    assert [record["Face"]["FaceId"] for record in again["FaceRecords"]] == [staff["eileen"]]
    other = rekognition.index_faces(
        CollectionId=collection, Image={"Bytes": portraits["eileen"]}, ExternalImageId="other"
    )
    assert other["FaceRecords"][0]["Face"]["FaceId"] != staff["eileen"]
    assert rekognition.describe_collection(CollectionId=collection)["FaceCount"] == 3


def test_faces_beyond_max_faces_are_reported_as_exceeding_it(
    rekognition: RekognitionClient, collection: str, portraits: Portraits
) -> None:
    with (
        Image.open(io.BytesIO(portraits["eileen"])) as left,
        Image.open(io.BytesIO(portraits["grace"])) as right,
    ):
        pair = Image.new("RGB", (left.width + right.width, max(left.height, right.height)), "white")
        pair.paste(left, (0, 0))
        pair.paste(right, (left.width, 0))
    answer = rekognition.index_faces(
        CollectionId=collection, Image={"Bytes": jpeg(pair)}, MaxFaces=1
    )
    (record,) = answer["FaceRecords"]
    (unindexed,) = answer["UnindexedFaces"]
    assert unindexed["Reasons"] == ["EXCEEDS_MAX_FACES"]
    kept, left_out = record["FaceDetail"]["BoundingBox"], unindexed["FaceDetail"]["BoundingBox"]
    assert kept["Width"] * kept["Height"] > left_out["Width"] * left_out["Height"]
    every = rekognition.index_faces(CollectionId=collection, Image={"Bytes": jpeg(pair)})
    assert len(every["FaceRecords"]) == 2
    assert every["FaceRecords"][0]["Face"]["FaceId"] == record["Face"]["FaceId"]


def test_max_faces_leaves_out_low_quality_before_small_faces(
    rekognition: Any, collection: str, portraits: Portraits
) -> None:
    large, small = (Image.open(io.BytesIO(each)).convert("RGB") for each in portraits.values())
    group = Image.new("RGB", (1000, 700), "white")
    group.paste(ImageEnhance.Brightness(large.resize((560, 700))).enhance(0.1), (0, 0))
    group.paste(small.resize((200, 250)), (680, 150))
    image = {"Bytes": jpeg(group)}
    every = rekognition.index_faces(CollectionId=collection, Image=image, QualityFilter="NONE")
    widths = [each["Face"]["BoundingBox"]["Width"] for each in every["FaceRecords"]]
    assert len(widths) == 2
    assert widths == sorted(widths, reverse=True)
    assert every["UnindexedFaces"] == []
    for quality, reason in (("NONE", "EXCEEDS_MAX_FACES"), ("AUTO", "LOW_BRIGHTNESS")):
        answer = rekognition.index_faces(
            CollectionId=collection, Image=image, QualityFilter=quality, MaxFaces=1
        )
        (record,) = answer["FaceRecords"]
        assert record["Face"]["BoundingBox"]["Left"] > 0.5
        (unindexed,) = answer["UnindexedFaces"]
        assert unindexed["Reasons"] == [reason]
    # Faces of the same quality: the smallest is left out.
    group.paste(large.resize((560, 700)), (0, 0))
    answer = rekognition.index_faces(
        CollectionId=collection, Image={"Bytes": jpeg(group)}, QualityFilter="NONE", MaxFaces=1
    )
    (record,) = answer["FaceRecords"]
    assert record["Face"]["BoundingBox"]["Left"] < 0.5


def test_max_faces_on_a_group_photo_keeps_the_best_then_the_largest(
    rekognition: Any, collection: str, data: Path
) -> None:
    image = {"Bytes": (data / "groups" / "selfie-many-people.jpg").read_bytes()}
    request = {"CollectionId": collection, "Image": image}
    every = rekognition.index_faces(**request, QualityFilter="NONE")["FaceRecords"]
    good = rekognition.index_faces(**request, QualityFilter="AUTO")["FaceRecords"]
    assert len(every) > 6
    for wanted in (1, 3, len(good), len(every) - 1, len(every), len(every) + 5):
        for quality, rest in (("AUTO", []), ("NONE", every)):
            answer = rekognition.index_faces(**request, QualityFilter=quality, MaxFaces=wanted)
            found = [each["Face"]["FaceId"] for each in answer["FaceRecords"]]
            best = [each["Face"]["FaceId"] for each in good][:wanted]
            assert set(best) <= set(found)
            assert len(found) == min(wanted, len(rest or good))
            areas = [
                each["FaceDetail"]["BoundingBox"]["Width"]
                * each["FaceDetail"]["BoundingBox"]["Height"]
                for each in answer["FaceRecords"]
            ]
            assert areas == sorted(areas, reverse=True)
            exceeding = [
                each for each in answer["UnindexedFaces"] if "EXCEEDS_MAX_FACES" in each["Reasons"]
            ]
            assert len(exceeding) == max(0, len(rest or good) - wanted)


@pytest.mark.parametrize(
    ("alteration", "reason"),
    [
        (lambda picture: ImageEnhance.Brightness(picture).enhance(0.12), "LOW_BRIGHTNESS"),
        (lambda picture: picture.filter(ImageFilter.GaussianBlur(9)), "LOW_SHARPNESS"),
        (
            lambda picture: grown(picture.resize((100, 100)), 150),
            "SMALL_BOUNDING_BOX",
        ),
    ],
)
def test_the_quality_filter_gives_reasons_for_unindexed_faces(
    rekognition: RekognitionClient,
    collection: str,
    portraits: Portraits,
    alteration: Alteration,
    reason: str,
) -> None:
    photo = altered(portraits["eileen"], alteration)
    strict = rekognition.index_faces(
        CollectionId=collection, Image={"Bytes": photo}, QualityFilter="HIGH"
    )
    assert strict["FaceRecords"] == []
    assert reason in strict["UnindexedFaces"][0]["Reasons"]
    lenient = rekognition.index_faces(
        CollectionId=collection, Image={"Bytes": photo}, QualityFilter="NONE"
    )
    assert len(lenient["FaceRecords"]) == 1
