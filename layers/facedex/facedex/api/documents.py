"""Faces in the words of the service model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from uuid import UUID

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
    return numbered_face(face_numbers(face))


def face_numbers(face: Face) -> list[float]:
    """What is known of a face as 20 numbers, as a video's sightings are stored.

    Box (4), confidence, landmarks (10), roll, yaw, pitch, brightness, sharpness.
    """
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


def numbered_face(numbers: Sequence[float]) -> dict[str, Any]:
    """A ``FaceDetail`` with the default attributes, of what :func:`face_numbers` gave."""
    left, top, width, height, confidence, *places = numbers[:15]
    roll, yaw, pitch, brightness, sharpness = numbers[15:]
    return {
        "BoundingBox": bounding_box(left, top, width, height),
        "Confidence": confidence,
        "Landmarks": [
            {"Type": name, "X": x, "Y": y}
            for name, x, y in zip(_LANDMARKS, places[::2], places[1::2], strict=True)
        ],
        "Pose": {"Roll": roll, "Yaw": yaw, "Pitch": pitch},
        "Quality": {"Brightness": brightness, "Sharpness": sharpness},
    }


def face_document(face: StoredFace, model_version: str | None = None) -> dict[str, Any]:
    """A ``Face``: what a collection keeps of one.

    Args:
        model_version: what made its vector; None where the document does not say it.
    """
    return {
        "FaceId": face.face_id,
        "BoundingBox": bounding_box(*face.box),
        "ImageId": face.image_id,
        "ExternalImageId": face.external_image_id,
        "Confidence": face.confidence,
        "IndexFacesModelVersion": model_version,
        "UserId": face.user_id,
    }


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


def unsuccessful_faces(missing: Sequence[UUID], taken: Mapping[UUID, str]) -> list[dict[str, Any]]:
    """The faces that could be neither given to a user nor taken from it, with their reasons.

    Args:
        missing: not in the collection.
        taken: those of another user, with its id.
    """
    return [
        *({"FaceId": face_id, "Reasons": ["FACE_NOT_FOUND"]} for face_id in missing),
        *(
            {"FaceId": face_id, "UserId": user_id, "Reasons": ["ASSOCIATED_TO_A_DIFFERENT_USER"]}
            for face_id, user_id in taken.items()
        ),
    ]
