"""``FaceDetail`` documents with further attributes, and the numbers that are stored for videos."""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np
import pytest

from facedex.api.face_details import face_detail, face_numbers, numbered_face
from facedex.api.service_model import shape
from facedex.api.writing import conform
from facedex.vision.attributes.values import (
    ANSWERS,
    EMOTIONS,
    EVERY,
    AgeRange,
    Attribute,
    Details,
    Gaze,
)
from facedex.vision.faces import Box, Face, Pose, Quality
from facedex.workflows.attributes import IN_VIDEO, requested

FACE = Face(
    Box(0.25, 0.125, 0.5, 0.5),
    99.5,
    np.arange(10, dtype=np.float32).reshape(5, 2) / np.float32(16),
    (100, 100),
    Pose(1.0, -2.0, 3.0),
    Quality(50.0, 75.0),
)
DETAILS = Details(
    landmarks=[(number / 64, number / 32) for number in range(30)],
    age_range=AgeRange(20, 36),
    male=12.5,
    emotions=[1.0, 2.0, 3.0, 60.0, 4.0, 5.0, 25.0],
    gaze=Gaze(5.0, -6.0, 70.0),
    answers={attribute: 12.5 * number for number, attribute in enumerate(ANSWERS)},
)
DEFAULT = {"BoundingBox", "Confidence", "Landmarks", "Pose", "Quality"}


def stored(numbers: list[float]) -> list[float]:
    """Return numbers in single precision, as Postgres returns them."""
    return list(struct.unpack(f"{len(numbers)}f", struct.pack(f"{len(numbers)}f", *numbers)))


def test_all_attributes_are_the_members_of_the_service_model() -> None:
    document = conform("FaceDetail", face_detail(replace(FACE, details=DETAILS)))
    assert set(document) == set(shape("FaceDetail")["members"])


def test_a_face_without_further_attributes_has_the_default_members() -> None:
    assert set(face_detail(FACE)) == DEFAULT
    assert len(face_numbers(FACE)) == 20


def test_an_answer_has_the_confidence_of_the_more_probable_value() -> None:
    document = face_detail(replace(FACE, details=DETAILS))
    assert document["Smile"] == {"Value": False, "Confidence": 100.0}
    assert document["MouthOpen"] == {"Value": True, "Confidence": 75.0}
    assert document["Gender"] == {"Value": "Female", "Confidence": 87.5}


def test_emotions_are_ordered_by_confidence() -> None:
    emotions = face_detail(replace(FACE, details=DETAILS))["Emotions"]
    assert [each["Type"] for each in emotions[:2]] == ["HAPPY", "CALM"]
    assert {each["Type"] for each in emotions} == set(EMOTIONS)
    assert set(EMOTIONS) < set(shape("EmotionName")["enum"])
    chances = [each["Confidence"] for each in emotions]
    assert chances == sorted(chances, reverse=True)


def test_thirty_landmarks_are_named_in_the_order_of_the_service_model() -> None:
    landmarks = face_detail(replace(FACE, details=DETAILS))["Landmarks"]
    assert [each["Type"] for each in landmarks] == shape("LandmarkType")["enum"]
    assert landmarks[7] == {"Type": "leftEyeBrowUp", "X": 7 / 64, "Y": 7 / 32}


def test_stored_numbers_give_the_same_document() -> None:
    details = replace(DETAILS, gaze=None)
    face = replace(FACE, details=details)
    assert numbered_face(stored(face_numbers(face))) == face_detail(face)
    assert {type(number) for number in face_numbers(face)} == {float}


@pytest.mark.parametrize(
    "details",
    [
        Details(),
        Details(age_range=AgeRange(0, 4)),
        Details(male=0.0),
        Details(answers={Attribute.MUSTACHE: 0.0}),
    ],
)
def test_what_was_not_measured_stays_absent_when_it_is_stored(details: Details) -> None:
    face = replace(FACE, details=details)
    assert numbered_face(stored(face_numbers(face))) == face_detail(face)


@pytest.mark.parametrize(
    ("names", "attributes"),
    [
        ((), set()),
        (("DEFAULT",), set()),
        (("ALL",), EVERY),
        (("ALL", "DEFAULT"), EVERY),
        (("GENDER",), {Attribute.GENDER}),
        (("DEFAULT", "GENDER"), {Attribute.GENDER}),
        (("SMILE", "GENDER", "SMILE"), {Attribute.SMILE, Attribute.GENDER}),
    ],
)
def test_names_add_attributes_to_the_default_ones(
    names: tuple[str, ...], attributes: set[Attribute]
) -> None:
    assert requested(names) == attributes


def test_every_name_of_the_service_model_is_an_attribute() -> None:
    names = set(shape("Attribute")["enum"]) - {"ALL", "DEFAULT"}
    assert {name for each in names for name in requested([each])} == EVERY - {
        Attribute.THIRTY_LANDMARKS
    }


def test_videos_have_neither_eye_direction_nor_occlusion() -> None:
    assert {Attribute.EYE_DIRECTION, Attribute.FACE_OCCLUDED} == EVERY - IN_VIDEO
