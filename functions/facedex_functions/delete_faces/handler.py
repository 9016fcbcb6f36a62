"""DeleteFaces: delete face records and their vectors permanently.

A face that is associated with a user cannot be deleted before it is disassociated, as the user's
vector is the mean of its faces.
"""

from __future__ import annotations

from uuid import UUID

from facedex.runtime.operation import Request, Response, operation
from facedex.runtime.services import Services
from facedex.store import collections, faces


def delete_faces(request: Request, services: Services) -> Response:
    """Remove faces from a collection."""
    # Remove duplicates, preserving the request's order.
    wanted = list(dict.fromkeys(UUID(face_id) for face_id in request["FaceIds"]))
    with services.database.transaction(frees=True) as connection:
        collection = collections.find(connection, request["CollectionId"], for_update=True)
        removed = faces.delete(connection, collection, wanted)
        users = faces.users_of(connection, collection, wanted)
        services.touch(face_id for face_id in wanted if face_id in removed)
    return {
        "DeletedFaces": [face_id for face_id in wanted if face_id in removed],
        "UnsuccessfulFaceDeletions": [
            {
                "FaceId": face_id,
                "UserId": users.get(face_id),
                "Reasons": [
                    "ASSOCIATED_TO_AN_EXISTING_USER" if face_id in users else "FACE_NOT_FOUND"
                ],
            }
            for face_id in wanted
            if face_id not in removed
        ],
    }


lambda_handler = operation("DeleteFaces", delete_faces)
