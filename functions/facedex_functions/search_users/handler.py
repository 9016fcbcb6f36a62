"""SearchUsers: find the users of a collection who resemble one of its faces or users."""

from __future__ import annotations

from uuid import UUID

from facedex.api.documents import MATCH_THRESHOLD, MOST_USERS, user_matches
from facedex.api.errors import InvalidParameterException
from facedex.runtime.operation import Request, Response, operation
from facedex.runtime.services import Services
from facedex.store import collections, faces, users
from facedex.store.search import search_users as search


def search_users(request: Request, services: Services) -> Response:
    """Search with a stored face, or with a user, who is never among the matches."""
    user_id, face_id = request.get("UserId"), request.get("FaceId")
    if (user_id is None) == (face_id is None):
        raise InvalidParameterException("Specify either UserId or FaceId.")
    with services.database.reading() as connection:
        collection = collections.find(connection, request["CollectionId"])
        calibration = services.pack_of(collection).calibration
        probe = (
            faces.vector(connection, collection, UUID(face_id))
            if face_id is not None
            else users.vector(connection, collection, str(user_id))
        )
        # A user without faces has no vector and no matches.
        matches = (
            []
            if probe is None
            else search(
                connection,
                collection,
                probe,
                limit=request.get("MaxUsers", MOST_USERS),
                min_score=calibration.cosine(request.get("UserMatchThreshold", MATCH_THRESHOLD)),
                exclude=user_id,
            )
        )
    return {
        "UserMatches": user_matches(matches, calibration),
        "FaceModelVersion": collection.model_version,
        "SearchedFace": {"FaceId": face_id} if face_id else None,
        "SearchedUser": {"UserId": user_id} if user_id else None,
    }


lambda_handler = operation("SearchUsers", search_users)
