"""Attributes of a face, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple


class Attribute(StrEnum):
    """What can be measured of a face beyond the default attributes.

    The values are those of the service model's ``Attribute``, except ``THIRTY_LANDMARKS``, which
    only ALL asks for.
    """

    AGE_RANGE = "AGE_RANGE"
    BEARD = "BEARD"
    EMOTIONS = "EMOTIONS"
    EYE_DIRECTION = "EYE_DIRECTION"
    EYEGLASSES = "EYEGLASSES"
    EYES_OPEN = "EYES_OPEN"
    FACE_OCCLUDED = "FACE_OCCLUDED"
    GENDER = "GENDER"
    MOUTH_OPEN = "MOUTH_OPEN"
    MUSTACHE = "MUSTACHE"
    SMILE = "SMILE"
    SUNGLASSES = "SUNGLASSES"
    THIRTY_LANDMARKS = "THIRTY_LANDMARKS"


EVERY: Final = frozenset(Attribute)

# Attributes that are true or false.
ANSWERS: Final = (
    Attribute.SMILE,
    Attribute.EYEGLASSES,
    Attribute.SUNGLASSES,
    Attribute.BEARD,
    Attribute.MUSTACHE,
    Attribute.EYES_OPEN,
    Attribute.MOUTH_OPEN,
    Attribute.FACE_OCCLUDED,
)

# The expressions that the network knows; Rekognition's CONFUSED is not among them.
EMOTIONS: Final = ("ANGRY", "DISGUSTED", "FEAR", "HAPPY", "SAD", "SURPRISED", "CALM")


class AgeRange(NamedTuple):
    """The range in which a face's age lies, in years."""

    low: int
    high: int


class Gaze(NamedTuple):
    """The direction of the eyes relative to the head, in degrees; the signs are those of a pose.

    Attributes:
        confidence: 0..100.
    """

    yaw: float
    pitch: float
    confidence: float


@dataclass(frozen=True, eq=False)
class Details:
    """The measured attributes of a face; None, or absent, is what was not measured.

    Attributes:
        landmarks: thirty points x y, ratios of the upright image, in the service model's order.
        male: probability in percent that the face looks male and not female.
        emotions: probability in percent of each of ``EMOTIONS``.
        answers: probability in percent that an attribute of ``ANSWERS`` is true.
    """

    landmarks: Sequence[Sequence[float]] | None = None
    age_range: AgeRange | None = None
    male: float | None = None
    emotions: Sequence[float] | None = None
    gaze: Gaze | None = None
    answers: Mapping[Attribute, float] = field(default_factory=dict)
