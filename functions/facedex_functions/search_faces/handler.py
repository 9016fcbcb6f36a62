"""SearchFaces: find the faces of a collection that resemble one of its faces."""

from __future__ import annotations

from uuid import UUID

from facedex.api.documents import MATCH_THRESHOLD, MOST_MATCHES, face_matches
from facedex.runtime.operation import Request, Response, operation
from facedex.runtime.services import Services
from facedex.store import collections, faces
from facedex.store.search import search


def search_faces(request: Request, services: Services) -> Response:
    """Search with a stored face; the face itself is never among the matches."""
    probe = UUID(request["FaceId"])
    with services.database.reading() as connection:
        collection = collections.find(connection, request["CollectionId"])
        calibration = services.pack_of(collection).calibration
        (matches,) = search(
            connection,
            collection,
            [faces.vector(connection, collection, probe)],
            limit=request.get("MaxFaces", MOST_MATCHES),
            min_score=calibration.cosine(request.get("FaceMatchThreshold", MATCH_THRESHOLD)),
            exclude=probe,
        )
    return {
        "SearchedFaceId": probe,
        "FaceMatches": face_matches(matches, calibration, collection.model_version),
        "FaceModelVersion": collection.model_version,
    }


lambda_handler = operation("SearchFaces", search_faces)
