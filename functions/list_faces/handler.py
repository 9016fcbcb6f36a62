"""ListFaces: the face records of a gallery, page by page."""

from __future__ import annotations

from uuid import UUID

from facedex.api.documents import face_document
from facedex.api.errors import ResourceNotFoundException
from facedex.api.operation import Request, Response, operation
from facedex.api.pages import LARGEST_PAGE
from facedex.services import Services
from facedex.store import collections, faces


def list_faces(request: Request, services: Services) -> Response:
    """List one page of a collection's faces."""
    if "UserId" in request:
        raise ResourceNotFoundException(f"The user id: {request['UserId']} does not exist")
    only = [UUID(face_id) for face_id in request["FaceIds"]] if "FaceIds" in request else None
    with services.database.transaction() as connection:
        collection = collections.find(connection, request["CollectionId"])
        listing = ("ListFaces", str(collection.key), *sorted(request.get("FaceIds", ())))
        tokens = services.page_tokens(*listing)
        after = UUID(tokens.read(request["NextToken"])) if "NextToken" in request else None
        count = request.get("MaxResults") or LARGEST_PAGE
        found = faces.page(connection, collection, after=after, count=count + 1, only=only)
    page = found[:count]
    return {
        "Faces": [face_document(face, collection.model_version) for face in page],
        "NextToken": tokens.write(str(page[-1].face_id)) if len(found) > count else None,
        "FaceModelVersion": collection.model_version,
    }


lambda_handler = operation("ListFaces", list_faces)
