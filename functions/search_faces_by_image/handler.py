"""SearchFacesByImage: faces of a gallery that resemble the largest face of a photo."""

from __future__ import annotations

from facedex.api.documents import (
    MATCH_THRESHOLD,
    MOST_MATCHES,
    bounding_box,
    face_matches,
)
from facedex.api.errors import InvalidParameterException
from facedex.api.operation import Request, Response, operation
from facedex.services import Services
from facedex.store import collections, faces
from facedex.store.search import search
from facedex.vision.screening import screen


def search_faces_by_image(request: Request, services: Services) -> Response:
    """Search with a photo, of which nothing is kept."""
    with services.database.transaction() as connection:
        # Before the costly part, so that a wrong name is answered at once.
        collection = collections.find(connection, request["CollectionId"])
        faces.require_model(collection, services.pack.model_version)
    picture = services.picture(request["Image"])
    screened = screen(picture.faces, request.get("QualityFilter", "NONE"))
    face = next((face for face, reasons in screened if not reasons), None)
    if face is None:
        raise InvalidParameterException(
            "There are no faces in the image. Should be at least 1."
            if not picture.faces
            else "There are no faces in the image that clear the quality filter."
        )
    calibration = services.pack.calibration
    with services.database.transaction() as connection:
        collection = collections.find(connection, request["CollectionId"])
        (matches,) = search(
            connection,
            collection,
            list(services.pack.embed(picture.image, [face])),
            count=request.get("MaxFaces", MOST_MATCHES),
            lowest_score=calibration.cosine(request.get("FaceMatchThreshold", MATCH_THRESHOLD)),
        )
    return {
        "SearchedFaceBoundingBox": bounding_box(*face.box),
        "SearchedFaceConfidence": face.confidence,
        "FaceMatches": face_matches(matches, calibration, collection.model_version),
        "FaceModelVersion": collection.model_version,
    }


lambda_handler = operation("SearchFacesByImage", search_faces_by_image)
