"""Faces as ``FaceDetail`` documents of the service model, and as numbers for storage."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final

from facedex.api.documents import bounding_box
from facedex.api.service_model import shape
from facedex.vision.attributes.values import ANSWERS, EMOTIONS, AgeRange, Details

if TYPE_CHECKING:
    from facedex.vision.faces import Face

_DEFAULT_LANDMARKS: Final = ("eyeLeft", "eyeRight", "nose", "mouthLeft", "mouthRight")

# How many numbers face_numbers returns for the default attributes, and for thirty landmarks.
_DEFAULT_NUMBERS: Final = 20
_POINTS: Final = 60


def face_detail(face: Face) -> dict[str, Any]:
    """Return a ``FaceDetail``: the default attributes, and the others that were measured."""
    document = _default(_default_numbers(face))
    return document if face.details is None else {**document, **_measured(face.details)}


def face_numbers(face: Face) -> list[float]:
    """Return a face as the numbers that are stored for a sighting in a video.

    Returns:
        Box (4), confidence, landmarks (10), roll, yaw, pitch, brightness, sharpness. If further
        attributes were measured, also thirty landmarks (60), lowest and highest age, the
        probabilities of male, of the emotions and of the answers; NaN is no value.
    """
    numbers = _default_numbers(face)
    return numbers if face.details is None else [*numbers, *_further_numbers(face.details)]


def numbered_face(numbers: Sequence[float]) -> dict[str, Any]:
    """Return the ``FaceDetail`` of :func:`face_numbers`' numbers."""
    default, further = numbers[:_DEFAULT_NUMBERS], numbers[_DEFAULT_NUMBERS:]
    document = _default(default)
    return {**document, **_measured(_numbered_details(further))} if further else document


def _default_numbers(face: Face) -> list[float]:
    return [
        *face.box,
        face.confidence,
        *face.landmarks.ravel().tolist(),
        face.pose.roll,
        face.pose.yaw,
        face.pose.pitch,
        face.quality.brightness,
        face.quality.sharpness,
    ]


def _default(numbers: Sequence[float]) -> dict[str, Any]:
    left, top, width, height, confidence, *places = numbers[:15]
    roll, yaw, pitch, brightness, sharpness = numbers[15:]
    return {
        "BoundingBox": bounding_box(left, top, width, height),
        "Confidence": confidence,
        "Landmarks": [
            {"Type": name, "X": x, "Y": y}
            for name, x, y in zip(_DEFAULT_LANDMARKS, places[::2], places[1::2], strict=True)
        ],
        "Pose": {"Roll": roll, "Yaw": yaw, "Pitch": pitch},
        "Quality": {"Brightness": brightness, "Sharpness": sharpness},
    }


def _further_numbers(details: Details) -> list[float]:
    points, age = details.landmarks, details.age_range
    return [
        *(_missing(_POINTS) if points is None else chain.from_iterable(points)),
        # Postgres takes no array of integers and other numbers together.
        *(_missing(2) if age is None else map(float, age)),
        *(_missing(1) if details.male is None else (details.male,)),
        *(_missing(len(EMOTIONS)) if details.emotions is None else details.emotions),
        *(details.answers.get(attribute, math.nan) for attribute in ANSWERS),
    ]


def _missing(count: int) -> list[float]:
    return [math.nan] * count


def _numbered_details(numbers: Sequence[float]) -> Details:
    """Return the details of :func:`_further_numbers`' numbers."""
    remaining = iter(numbers)

    def take(count: int) -> list[float] | None:
        taken = list(islice(remaining, count))
        return None if math.isnan(taken[0]) else taken

    points, age, male, emotions = map(take, (_POINTS, 2, 1, len(EMOTIONS)))
    return Details(
        landmarks=list(zip(points[::2], points[1::2], strict=True)) if points else None,
        age_range=AgeRange(round(age[0]), round(age[1])) if age else None,
        male=None if male is None else male[0],
        emotions=emotions,
        answers={
            attribute: chance
            for attribute, chance in zip(ANSWERS, remaining, strict=True)
            if not math.isnan(chance)
        },
    )


def _measured(details: Details) -> dict[str, Any]:
    """Return the members of a ``FaceDetail`` that were measured beyond the default ones."""
    members: dict[str, Any] = {}
    if details.age_range is not None:
        members["AgeRange"] = {"Low": details.age_range.low, "High": details.age_range.high}
    for attribute, chance in details.answers.items():
        members[_member(attribute)] = _answer(chance)
    if details.male is not None:
        answer = _answer(details.male)
        members["Gender"] = {**answer, "Value": "Male" if answer["Value"] else "Female"}
    if details.emotions is not None:
        ranked = sorted(zip(details.emotions, EMOTIONS, strict=True), reverse=True)
        members["Emotions"] = [{"Type": name, "Confidence": chance} for chance, name in ranked]
    if details.gaze is not None:
        yaw, pitch, confidence = details.gaze
        members["EyeDirection"] = {"Yaw": yaw, "Pitch": pitch, "Confidence": confidence}
    if details.landmarks is not None:
        members["Landmarks"] = [
            {"Type": name, "X": x, "Y": y}
            for name, (x, y) in zip(shape("LandmarkType")["enum"], details.landmarks, strict=True)
        ]
    return members


def _member(attribute: str) -> str:
    """Return the member of ``FaceDetail`` with an attribute, such as EyesOpen for EYES_OPEN."""
    return attribute.title().replace("_", "")


def _answer(chance: float) -> dict[str, Any]:
    """Return a ``Value`` and its ``Confidence`` for the probability that it is true."""
    return {"Value": chance >= 50, "Confidence": max(chance, 100 - chance)}
