"""The quality filter: which faces are good enough to be recognised, and the reasons if not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from facedex.vision.faces import DetectedFace, Face

# The reason for a face whose landmarks do not lie on its eyes, nose and mouth. The service's other
# reasons name something that the photo's owner could improve; its detector is as confident as ever.
ILLEGIBLE: Final = "LOW_FACE_QUALITY"


@dataclass(frozen=True, slots=True)
class Bar:
    """The minimum requirements of a quality filter.

    Attributes:
        confidence, brightness, sharpness: minimum, percent.
        turn: maximum of yaw and pitch in either direction, degrees.
        side: minimum of the shorter side of the face's box, pixels.
    """

    confidence: float
    brightness: float
    sharpness: float
    turn: float
    side: float


# AUTO is the bar of everyday use; a service's own choice of bar may differ between versions.
BARS: Final[dict[str, Bar]] = {
    "LOW": Bar(confidence=50, brightness=10, sharpness=2, turn=88, side=20),
    "MEDIUM": Bar(confidence=60, brightness=20, sharpness=6, turn=65, side=32),
    "HIGH": Bar(confidence=70, brightness=30, sharpness=15, turn=45, side=48),
}
BARS["AUTO"] = BARS["LOW"]


def unfit(face: DetectedFace) -> list[str]:
    """Return why a face has no vector of its own under any filter; empty if it has one.

    Chips that are cut by wrong landmarks look alike, and so do their vectors.
    """
    return [] if face.legible else [ILLEGIBLE]


def shortcomings(face: Face, bar: Bar) -> list[str]:
    """Return the reasons why a face does not meet a bar, in Rekognition's terms."""
    reasons = unfit(face)
    if face.confidence < bar.confidence:
        reasons.append("LOW_CONFIDENCE")
    if min(face.size) < bar.side:
        reasons.append("SMALL_BOUNDING_BOX")
    if max(abs(face.pose.yaw), abs(face.pose.pitch)) > bar.turn:
        reasons.append("EXTREME_POSE")
    if face.quality.brightness < bar.brightness:
        reasons.append("LOW_BRIGHTNESS")
    if face.quality.sharpness < bar.sharpness:
        reasons.append("LOW_SHARPNESS")
    return reasons


def screen(faces: Iterable[Face], quality_filter: str) -> list[tuple[Face, list[str]]]:
    """Return each face with its shortcomings under a ``QualityFilter``.

    Under NONE, only faces that have no vector of their own have a shortcoming.
    """
    bar = BARS.get(quality_filter)
    return [(face, shortcomings(face, bar) if bar else unfit(face)) for face in faces]
