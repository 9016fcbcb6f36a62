"""ListFaces: list the face records of a collection."""

from __future__ import annotations

from uuid import UUID

from facedex.api.documents import face_document
from facedex.runtime.operation import Request, Response, operation
from facedex.runtime.services import Services
from facedex.store import collections, faces, users


def list_faces(request: Request, services: Services) -> Response:
    """List one page of a collection's faces."""
    only = [UUID(face_id) for face_id in request["FaceIds"]] if "FaceIds" in request else None
    page = services.page(request, "ListFaces")
    with services.database.reading() as connection:
        collection = collections.find(connection, request["CollectionId"])
        user_id = request.get("UserId")
        if user_id is not None:
            users.find(connection, collection, user_id)
        page = page.narrow(str(collection.key), user_id or "", *sorted(request.get("FaceIds", ())))
        found = faces.page(
            connection,
            collection,
            after=page.after and UUID(page.after),
            limit=page.limit,
            only=only,
            user_id=user_id,
        )
    listed, token = page.split(found, lambda face: str(face.face_id))
    return {
        "Faces": [face_document(face, collection.model_version) for face in listed],
        "NextToken": token,
        "FaceModelVersion": collection.model_version,
    }


lambda_handler = operation("ListFaces", list_faces)
