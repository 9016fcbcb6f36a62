"""IndexFaces: the faces of a photo become face records; the photo itself is not kept.

The quality filter comes first, then MaxFaces takes the largest of what is left. The same bytes
under the same ExternalImageId in the same collection give the same FaceIds back, so that a
repeated call changes nothing.
"""

from __future__ import annotations

from typing import Any

from facedex.api.documents import face_detail, face_document
from facedex.api.operation import Request, Response, operation
from facedex.services import Services
from facedex.store import collections, faces
from facedex.vision.faces import Face
from facedex.vision.screening import screen


def index_faces(request: Request, services: Services) -> Response:
    """Find the faces in a photo and add them to a collection."""
    with services.database.transaction() as connection:
        # Before the costly part, so that a wrong name is answered at once.
        collection = collections.find(connection, request["CollectionId"])
        faces.require_model(collection, services.pack.model_version)
    picture = services.picture(request["Image"])
    chosen, unindexed = _choose(
        picture.faces, request.get("QualityFilter", "AUTO"), request.get("MaxFaces")
    )
    vectors = services.pack.embed(picture.image, chosen)
    with services.database.transaction() as connection:
        # The name may have changed hands meanwhile: what counts is the collection it names now.
        collection = collections.find(connection, request["CollectionId"], keep=True)
        stored = faces.add(
            connection,
            collection,
            model_version=services.pack.model_version,
            digest=picture.digest,
            external_image_id=request.get("ExternalImageId"),
            faces=[
                faces.NewFace(face.box, face.confidence, vector)
                for face, vector in zip(chosen, vectors, strict=True)
            ],
        )
    return {
        "FaceRecords": [
            {"Face": face_document(record), "FaceDetail": face_detail(face)}
            for record, face in zip(stored, chosen, strict=True)
        ],
        "FaceModelVersion": collection.model_version,
        "UnindexedFaces": unindexed,
    }


def _choose(
    found: list[Face], quality_filter: str, max_faces: int | None
) -> tuple[list[Face], list[dict[str, Any]]]:
    """Split the faces, largest first, into those to index and the others."""
    chosen: list[Face] = []
    unindexed: list[dict[str, Any]] = []
    for face, shortcomings in screen(found, quality_filter):
        full = max_faces is not None and len(chosen) >= max_faces
        reasons = shortcomings or (["EXCEEDS_MAX_FACES"] if full else [])
        if reasons:
            unindexed.append({"Reasons": reasons, "FaceDetail": face_detail(face)})
        else:
            chosen.append(face)
    return chosen, unindexed


lambda_handler = operation("IndexFaces", index_faces)
