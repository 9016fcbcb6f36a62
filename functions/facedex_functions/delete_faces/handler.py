"""DeleteFaces: face records and their vectors are removed for good.

A user's face stays until it is disassociated: the user's vector is the mean of its faces.
"""

from __future__ import annotations

from uuid import UUID

from facedex.runtime.operation import Request, Response, operation
from facedex.runtime.services import Services
from facedex.store import collections, faces


def delete_faces(request: Request, services: Services) -> Response:
    """Remove faces from a collection."""
    # Each id once, in the order in which they were given.
    wanted = list(dict.fromkeys(UUID(face_id) for face_id in request["FaceIds"]))
    with services.database.transaction() as connection:
        collection = collections.find(connection, request["CollectionId"], for_update=True)
        removed = faces.delete(connection, collection, wanted)
        kept = faces.users_of(connection, collection, wanted)
    return {
        "DeletedFaces": [face_id for face_id in wanted if face_id in removed],
        "UnsuccessfulFaceDeletions": [
            {
                "FaceId": face_id,
                "UserId": kept.get(face_id),
                "Reasons": [
                    "ASSOCIATED_TO_AN_EXISTING_USER" if face_id in kept else "FACE_NOT_FOUND"
                ],
            }
            for face_id in wanted
            if face_id not in removed
        ],
    }


lambda_handler = operation("DeleteFaces", delete_faces)
