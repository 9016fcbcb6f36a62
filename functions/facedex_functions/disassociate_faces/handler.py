"""DisassociateFaces: remove faces from a user, whose vector becomes the mean of the others."""

from __future__ import annotations

from uuid import UUID

from facedex.api.documents import unsuccessful_faces, user_status
from facedex.runtime.operation import Request, Response, operation
from facedex.runtime.services import Services
from facedex.store import associations, collections, users
from facedex.store.requests import once


def disassociate_faces(request: Request, services: Services) -> Response:
    """Disassociate faces from a user."""
    user_id = request["UserId"]
    wanted = list(dict.fromkeys(UUID(face_id) for face_id in request["FaceIds"]))
    with services.database.transaction(frees=True) as connection:
        collection = collections.find(connection, request["CollectionId"], for_update=True)

        def disassociate() -> Response:
            outcome = associations.disassociate(connection, collection, user_id, wanted)
            return {
                "DisassociatedFaces": [{"FaceId": face_id} for face_id in outcome.disassociated],
                "UnsuccessfulFaceDisassociations": unsuccessful_faces(
                    outcome.missing, outcome.taken
                ),
                "UserStatus": user_status(users.find(connection, collection, user_id)),
            }

        token = request.get("ClientRequestToken")
        response = once(connection, collection, "DisassociateFaces", token, request, disassociate)
        services.touch(face["FaceId"] for face in response["DisassociatedFaces"])
        return response


lambda_handler = operation("DisassociateFaces", disassociate_faces)
