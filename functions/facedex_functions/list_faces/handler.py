"""ListFaces: list the face records of a collection."""

from __future__ import annotations

from uuid import UUID

from facedex.api.documents import face_document
from facedex.api.pages import LARGEST_PAGE
from facedex.runtime.operation import Request, Response, operation
from facedex.runtime.services import Services
from facedex.store import collections, faces, users


def list_faces(request: Request, services: Services) -> Response:
    """List one page of a collection's faces."""
    only = [UUID(face_id) for face_id in request["FaceIds"]] if "FaceIds" in request else None
    tokens = services.page_tokens("ListFaces")
    with services.database.reading() as connection:
        collection = collections.find(connection, request["CollectionId"])
        user_id = request.get("UserId")
        if user_id is not None:
            users.find(connection, collection, user_id)
        tokens = tokens.narrow(
            str(collection.key), user_id or "", *sorted(request.get("FaceIds", ()))
        )
        after = UUID(tokens.read(request["NextToken"])) if "NextToken" in request else None
        count = request.get("MaxResults") or LARGEST_PAGE
        found = faces.page(
            connection, collection, after=after, limit=count + 1, only=only, user_id=user_id
        )
    page = found[:count]
    return {
        "Faces": [face_document(face, collection.model_version) for face in page],
        "NextToken": tokens.write(str(page[-1].face_id)) if len(found) > count else None,
        "FaceModelVersion": collection.model_version,
    }


lambda_handler = operation("ListFaces", list_faces)
