"""Faces, matches and users as documents of the service model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from uuid import UUID

    from facedex.store.faces import StoredFace
    from facedex.store.search import Match, UserMatch
    from facedex.store.users import User
    from facedex.vision.calibration import Calibration

# Rekognition's default threshold and maximum numbers of results for a search.
MATCH_THRESHOLD: Final = 80.0
MOST_MATCHES: Final = 4096
MOST_USERS: Final = 500


def bounding_box(left: float, top: float, width: float, height: float) -> dict[str, float]:
    """Return a ``BoundingBox``: ratios of the image's width and height."""
    return {"Width": width, "Height": height, "Left": left, "Top": top}


def face_document(face: StoredFace, model_version: str | None = None) -> dict[str, Any]:
    """Return a ``Face``: the record of a face in a collection.

    Args:
        face: the stored face.
        model_version: version of the model that made its vector; None to omit it.
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
    """Return ``FaceMatches``, in the order of ``matches``.

    Args:
        matches: faces of the collection with their scores.
        calibration: converts scores to similarities.
        model_version: version of the model that made the vectors.
    """
    similarities = calibration.similarities([match.score for match in matches]).tolist()
    return [
        {"Similarity": similarity, "Face": face_document(match.face, model_version)}
        for match, similarity in zip(matches, similarities, strict=True)
    ]


def user_status(user: User) -> str:
    """Return a ``UserStatus``; never UPDATING, as associations are complete when answered."""
    return "ACTIVE" if user.has_faces else "CREATED"


def user_document(user: User) -> dict[str, Any]:
    """Return a ``User``."""
    return {"UserId": user.user_id, "UserStatus": user_status(user)}


def user_matches(matches: Sequence[UserMatch], calibration: Calibration) -> list[dict[str, Any]]:
    """Return ``UserMatches``, in the order of ``matches``; only users with faces can match."""
    similarities = calibration.similarities([match.score for match in matches]).tolist()
    return [
        {"Similarity": similarity, "User": {"UserId": match.user_id, "UserStatus": "ACTIVE"}}
        for match, similarity in zip(matches, similarities, strict=True)
    ]


def unsuccessful_faces(missing: Sequence[UUID], taken: Mapping[UUID, str]) -> list[dict[str, Any]]:
    """Return the faces that could not be associated with a user or disassociated from it.

    Args:
        missing: ids of faces that are not in the collection.
        taken: ids of faces of another user, each with that user's id.
    """
    return [
        *({"FaceId": face_id, "Reasons": ["FACE_NOT_FOUND"]} for face_id in missing),
        *(
            {"FaceId": face_id, "UserId": user_id, "Reasons": ["ASSOCIATED_TO_A_DIFFERENT_USER"]}
            for face_id, user_id in taken.items()
        ),
    ]
