"""Attributes of faces through an unmodified boto3: DEFAULT, ALL, and each by its name."""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from PIL import Image as pillow

from facedex.api.service_model import shape
from tests.e2e.films import Studio, moving
from tests.e2e.photos import Portraits

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient
    from mypy_boto3_rekognition.type_defs import ImageTypeDef

    from tests.conftest import Server

DEFAULT = {"BoundingBox", "Confidence", "Landmarks", "Pose", "Quality"}
ALL = set(shape("FaceDetail")["members"])
BY_NAME = {
    "AGE_RANGE": "AgeRange",
    "BEARD": "Beard",
    "EMOTIONS": "Emotions",
    "EYE_DIRECTION": "EyeDirection",
    "EYEGLASSES": "Eyeglasses",
    "EYES_OPEN": "EyesOpen",
    "FACE_OCCLUDED": "FaceOccluded",
    "GENDER": "Gender",
    "MOUTH_OPEN": "MouthOpen",
    "MUSTACHE": "Mustache",
    "SMILE": "Smile",
    "SUNGLASSES": "Sunglasses",
}

pytestmark = pytest.mark.usefixtures("attributes_directory")


def detect(client: RekognitionClient, photo: bytes, *names: str) -> dict[str, Any]:
    (face,) = client.detect_faces(
        Image={"Bytes": photo},
        Attributes=list(names),  # type: ignore[arg-type]
    )["FaceDetails"]
    return face  # type: ignore[return-value]


def test_no_attributes_are_the_default_ones(
    rekognition: RekognitionClient, portraits: Portraits
) -> None:
    photo = portraits["eileen"]
    (plain,) = rekognition.detect_faces(Image={"Bytes": photo})["FaceDetails"]
    assert set(plain) == DEFAULT
    assert len(plain["Landmarks"]) == 5
    assert detect(rekognition, photo) == detect(rekognition, photo, "DEFAULT") == plain


@pytest.mark.parametrize("names", [["ALL"], ["ALL", "DEFAULT"], ["DEFAULT", "ALL", "ALL", "SMILE"]])
def test_all_attributes_are_all_members_and_thirty_landmarks(
    rekognition: RekognitionClient, portraits: Portraits, names: list[str]
) -> None:
    face = detect(rekognition, portraits["eileen"], *names)
    assert set(face) == ALL
    assert [mark["Type"] for mark in face["Landmarks"]] == shape("LandmarkType")["enum"]


@pytest.mark.parametrize("name", BY_NAME)
def test_a_name_adds_its_member_to_the_default_ones(
    rekognition: RekognitionClient, portraits: Portraits, name: str
) -> None:
    face = detect(rekognition, portraits["grace"], name)
    assert set(face) == DEFAULT | {BY_NAME[name]}
    assert len(face["Landmarks"]) == 5
    assert detect(rekognition, portraits["grace"], "DEFAULT", name, name) == face


def test_default_members_are_the_same_with_all_attributes(
    rekognition: RekognitionClient, portraits: Portraits
) -> None:
    plain, full = (detect(rekognition, portraits["grace"], name) for name in ("DEFAULT", "ALL"))
    for member in DEFAULT - {"Landmarks"}:
        assert plain[member] == full[member]


@pytest.mark.parametrize("attribute", ["AGE", "all", ""])
def test_an_unknown_attribute_is_refused(
    rekognition: RekognitionClient, collection: str, portraits: Portraits, attribute: str
) -> None:
    photo: ImageTypeDef = {"Bytes": portraits["eileen"]}
    names = ["GENDER", attribute]
    for call in (
        partial(rekognition.detect_faces, Attributes=names),  # type: ignore[arg-type]
        partial(
            rekognition.index_faces,
            CollectionId=collection,
            DetectionAttributes=names,  # type: ignore[arg-type]
        ),
    ):
        with pytest.raises(ClientError, match="AGE_RANGE") as refused:
            call(Image=photo)
        assert refused.value.response["Error"]["Code"] == "ValidationException"


def test_index_faces_returns_the_attributes_and_stores_none(
    rekognition: RekognitionClient, collection: str, portraits: Portraits
) -> None:
    photo: ImageTypeDef = {"Bytes": portraits["eileen"]}
    named, full = (
        rekognition.index_faces(
            CollectionId=collection,
            Image=photo,
            DetectionAttributes=attributes,  # type: ignore[arg-type]
        )["FaceRecords"][0]
        for attributes in (["GENDER", "SMILE"], ["ALL"])
    )
    assert set(named["FaceDetail"]) == DEFAULT | {"Gender", "Smile"}
    assert set(full["FaceDetail"]) == ALL
    assert full["Face"] == named["Face"]
    (listed,) = rekognition.list_faces(CollectionId=collection)["Faces"]
    assert set(listed) <= set(shape("Face")["members"])
    assert listed["FaceId"] == full["Face"]["FaceId"]
    found = rekognition.search_faces_by_image(CollectionId=collection, Image=photo)
    (match,) = found["FaceMatches"]
    assert match["Similarity"] > 99.9


def test_unindexed_faces_have_the_attributes_too(
    rekognition: RekognitionClient, collection: str, data: Path
) -> None:
    answer = rekognition.index_faces(
        CollectionId=collection,
        Image={"Bytes": (data / "groups" / "couple.jpg").read_bytes()},
        MaxFaces=1,
        DetectionAttributes=["ALL"],
    )
    assert [set(each["FaceDetail"]) for each in answer["UnindexedFaces"]] == [ALL]


def test_a_lone_face_of_low_quality_is_not_indexed_and_has_the_attributes(
    rekognition: RekognitionClient, collection: str, portraits: Portraits
) -> None:
    buffer = io.BytesIO()
    with pillow.open(io.BytesIO(portraits["eileen"])) as photo:
        photo.convert("RGB").resize((90, 100)).save(buffer, "PNG")
    answer = rekognition.index_faces(
        CollectionId=collection,
        Image={"Bytes": buffer.getvalue()},
        QualityFilter="HIGH",
        DetectionAttributes=["ALL"],
    )
    (left_out,) = answer["UnindexedFaces"]
    assert set(left_out["FaceDetail"]) == ALL
    assert answer["FaceRecords"] == []
    assert rekognition.describe_collection(CollectionId=collection)["FaceCount"] == 0


def test_comparisons_and_searches_return_default_attributes(
    rekognition: RekognitionClient, collection: str, portraits: Portraits
) -> None:
    photo: ImageTypeDef = {"Bytes": portraits["eileen"]}
    compared = rekognition.compare_faces(SourceImage=photo, TargetImage=photo)
    assert set(compared["FaceMatches"][0]["Face"]) == DEFAULT
    rekognition.index_faces(CollectionId=collection, Image=photo)
    searched = rekognition.search_users_by_image(CollectionId=collection, Image=photo)
    assert set(searched["SearchedFace"]["FaceDetail"]) == DEFAULT


def test_a_film_has_all_attributes_except_two_if_the_job_was_started_with_all(
    server: Server, portraits: Portraits
) -> None:
    studio = Studio(server, portraits)
    film = studio.put("faces.mp4", moving(portraits, *portraits, seconds=1))
    client = studio.rekognition
    jobs = [
        client.start_face_detection(Video=film, **choice)["JobId"]
        for choice in ({}, {"FaceAttributes": "DEFAULT"}, {"FaceAttributes": "ALL"})
    ]
    answers = [studio.wait(job, "get_face_detection") for job in jobs]
    assert [answer["JobStatus"] for answer in answers] == 3 * ["SUCCEEDED"], answers
    plain, default, full = ([entry["Face"] for entry in answer["Faces"]] for answer in answers)
    assert len(plain) == 10
    assert default == plain
    assert all(set(face) == DEFAULT for face in plain)
    assert all(set(face) == ALL - {"EyeDirection", "FaceOccluded"} for face in full)
    for face, other in zip(plain, full, strict=True):
        assert len(other["Landmarks"]) == 30
        for member in DEFAULT - {"Landmarks"}:
            assert other[member] == face[member]
    eileen = [face for face in full if face["BoundingBox"]["Left"] < 0.5]
    assert all(face["Smile"]["Value"] for face in eileen)
    assert {face["Emotions"][0]["Type"] for face in eileen} == {"HAPPY"}


def test_a_program_that_reads_every_attribute_runs(
    rekognition: RekognitionClient, portraits: Portraits
) -> None:
    # What Amazon's documented examples for DetectFaces and IndexFaces read of a response.
    lines: list[str] = []
    response = rekognition.detect_faces(
        Image={"Bytes": portraits["eileen"]},
        Attributes=["ALL"],
    )
    for face in response["FaceDetails"]:
        lines.append(
            f"The detected face is between {face['AgeRange']['Low']}"
            f" and {face['AgeRange']['High']} years old"
        )
        lines.append(f"Gender: {face['Gender']['Value']} {face['Gender']['Confidence']}")
        lines += [
            f"{name}: {face[name]['Value']}, {face[name]['Confidence']}"
            for name in (
                "Smile",
                "Eyeglasses",
                "Sunglasses",
                "Beard",
                "Mustache",
                "EyesOpen",
                "MouthOpen",
                "FaceOccluded",
            )
        ]
        lines.append(f"Emotions: {face['Emotions'][0]}")
        likely = [each["Type"] for each in face["Emotions"] if each["Confidence"] > 50]
        lines.append(f"Most likely: {likely}")
        direction = face["EyeDirection"]
        lines.append(f"{direction['Yaw']} {direction['Pitch']} {direction['Confidence']}")
    assert "Gender: Female" in lines[1]
    assert lines[2].startswith("Smile: True, 9")
    assert lines[-2] == "Most likely: ['HAPPY']"
