"""Faces in the words of the service model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from facedex.store.faces import StoredFace
    from facedex.store.search import Match, UserMatch
    from facedex.store.users import User
    from facedex.vision.calibration import Calibration
    from facedex.vision.faces import Face

# Rekognition's default, and its most, for a search.
MATCH_THRESHOLD: Final = 80.0
MOST_MATCHES: Final = 4096
MOST_USERS: Final = 500

_LANDMARKS: Final = ("eyeLeft", "eyeRight", "nose", "mouthLeft", "mouthRight")


def bounding_box(left: float, top: float, width: float, height: float) -> dict[str, float]:
    """A ``BoundingBox``: ratios of the image."""
    return {"Width": width, "Height": height, "Left": left, "Top": top}


def face_detail(face: Face) -> dict[str, Any]:
    """A ``FaceDetail`` with the default attributes."""
    return {
        "BoundingBox": bounding_box(*face.box),
        "Confidence": face.confidence,
        "Landmarks": [
            {"Type": name, "X": float(x), "Y": float(y)}
            for name, (x, y) in zip(_LANDMARKS, face.landmarks, strict=True)
        ],
        "Pose": {
            "Roll": face.pose.roll,
            "Yaw": face.pose.yaw,
            "Pitch": face.pose.pitch,
        },
        "Quality": {
            "Brightness": face.quality.brightness,
            "Sharpness": face.quality.sharpness,
        },
    }


def face_document(face: StoredFace, model_version: str | None = None) -> dict[str, Any]:
    """A ``Face``: what a collection keeps of one.

    Args:
        model_version: what made its vector, where the operation tells it.
    """
    return {
        "FaceId": face.face_id,
        "BoundingBox": bounding_box(*face.box),
        "ImageId": face.image_id,
        "ExternalImageId": face.external_image_id,
        "Confidence": face.confidence,
        "IndexFacesModelVersion": model_version and _version_number(model_version),
        "UserId": face.user_id,
    }


def _version_number(model_version: str) -> str:
    # Unlike FaceModelVersion, the service model lets this one have digits and dots only.
    return model_version.rpartition("-")[2]


def face_matches(
    matches: Sequence[Match], calibration: Calibration, model_version: str
) -> list[dict[str, Any]]:
    """``FaceMatches``, in the order of ``matches``."""
    similarities = calibration.similarities([match.score for match in matches]).tolist()
    return [
        {"Similarity": similarity, "Face": face_document(match.face, model_version)}
        for match, similarity in zip(matches, similarities, strict=True)
    ]


def user_status(user: User) -> str:
    """A ``UserStatus``: associations are complete when they are answered, so never UPDATING."""
    return "ACTIVE" if user.has_faces else "CREATED"


def user_document(user: User) -> dict[str, Any]:
    """A ``User``."""
    return {"UserId": user.user_id, "UserStatus": user_status(user)}


def user_matches(matches: Sequence[UserMatch], calibration: Calibration) -> list[dict[str, Any]]:
    """``UserMatches``, in the order of ``matches``; only users with faces can match."""
    similarities = calibration.similarities([match.score for match in matches]).tolist()
    return [
        {"Similarity": similarity, "User": {"UserId": match.user_id, "UserStatus": "ACTIVE"}}
        for match, similarity in zip(matches, similarities, strict=True)
    ]
