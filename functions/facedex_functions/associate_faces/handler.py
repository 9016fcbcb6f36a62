"""AssociateFaces: associate faces with a user, whose vector becomes the mean of theirs.

With the extension ``?as=others`` on the REST route, it remembers that the faces are not the user's.
"""

from __future__ import annotations

from uuid import UUID

from facedex.api.documents import unsuccessful_faces, user_status
from facedex.runtime.operation import Request, Response, operation
from facedex.runtime.services import Services
from facedex.store import associations, collections, distinctions, users
from facedex.store.requests import once

# Rekognition's default for this operation.
USER_MATCH_THRESHOLD = 75.0


def associate_faces(request: Request, services: Services) -> Response:
    """Associate faces with a user if they resemble the user's existing faces."""
    user_id = request["UserId"]
    wanted = list(dict.fromkeys(UUID(face_id) for face_id in request["FaceIds"]))
    threshold = request.get("UserMatchThreshold", USER_MATCH_THRESHOLD)
    with services.database.transaction() as connection:
        collection = collections.find(connection, request["CollectionId"], for_update=True)
        calibration = services.pack_of(collection).calibration

        def associate() -> Response:
            outcome = associations.associate(
                connection,
                collection,
                user_id,
                wanted,
                min_score=calibration.cosine(threshold),
            )
            return {
                "AssociatedFaces": [{"FaceId": face_id} for face_id in outcome.associated],
                "UnsuccessfulFaceAssociations": [
                    *unsuccessful_faces(outcome.missing, outcome.taken),
                    *(
                        {
                            "FaceId": face_id,
                            "UserId": user_id,
                            "Confidence": calibration.similarity(score),
                            "Reasons": ["LOW_MATCH_CONFIDENCE"],
                        }
                        for face_id, score in outcome.unlike.items()
                    ),
                    # The service model has no reason for a user with the maximum number of faces.
                    *(
                        {"FaceId": face_id, "UserId": user_id, "Reasons": []}
                        for face_id in outcome.surplus
                    ),
                ],
                "UserStatus": user_status(users.find(connection, collection, user_id)),
            }

        token = request.get("ClientRequestToken")
        response = once(connection, collection, "AssociateFaces", token, request, associate)
        services.touch(face["FaceId"] for face in response["AssociatedFaces"])
        return response


def distinguish_faces(request: Request, services: Services) -> Response:
    """Remember that faces are not those of a user."""
    wanted = list(dict.fromkeys(UUID(face_id) for face_id in request["FaceIds"]))
    with services.database.transaction() as connection:
        collection = collections.find(connection, request["CollectionId"], for_update=True)
        distinctions.add(connection, collection, request["UserId"], wanted)
    return {}


lambda_handler = operation("AssociateFaces", associate_faces, DistinguishFaces=distinguish_faces)
