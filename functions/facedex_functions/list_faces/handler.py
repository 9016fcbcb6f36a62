"""ListFaces: list the face records of a collection.

With the extension ``?groups=people`` on the REST route, it groups those that look like one person.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from facedex.api.documents import face_document
from facedex.runtime.operation import Request, Response, operation
from facedex.runtime.services import Services
from facedex.store import collections, faces, users
from facedex.store.collections import find_recent

# A pair of different people is in one group once in ten thousand pairs.
_SIMILARITY: Final = 99.0
_GROUPS: Final = 100


def list_faces(request: Request, services: Services) -> Response:
    """List one page of a collection's faces."""
    only = [UUID(face_id) for face_id in request["FaceIds"]] if "FaceIds" in request else None
    page = services.page(request, "ListFaces")
    # In one snapshot: the collection may be deleted between two statements.
    with services.database.reading() as connection, connection.snapshot():
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


def group_faces(request: Request, services: Services) -> Response:
    """Group the faces that look like one person and do not all belong to one user."""
    # Needs NumPy, which listing does not.
    from facedex.workflows import people

    collection = find_recent(services.database, request["CollectionId"])
    found = people.group_faces(
        services.database,
        collection,
        services.pack_of(collection).calibration,
        request.get("Similarity", _SIMILARITY),
    )
    return {
        "Groups": [
            {
                "Faces": [face_document(face, collection.model_version) for face in group.faces],
                "UserIds": group.users,
                "Similarity": group.similarity,
            }
            for group in found.groups[: request.get("MaxResults") or _GROUPS]
        ],
        "GroupCount": len(found.groups),
        "FaceCount": found.compared,
        "FaceModelVersion": collection.model_version,
    }


lambda_handler = operation("ListFaces", list_faces, GroupFaces=group_faces)
