"""SearchFacesByImage: faces of a gallery that resemble the largest face of a photo.

With ``?faces=all`` on its REST route, an extension, the search is for every face of the photo.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from facedex.api.documents import (
    MATCH_THRESHOLD,
    MOST_MATCHES,
    bounding_box,
    face_detail,
    face_matches,
)
from facedex.api.errors import InvalidParameterException
from facedex.runtime.operation import Request, Response, operation
from facedex.runtime.services import Services
from facedex.store.collections import Collection
from facedex.store.search import search
from facedex.vision import screening
from facedex.vision.faces import DetectedFace, Face
from facedex.workflows import pictures
from facedex.workflows.current_collection import find_recent, search_current
from facedex.workflows.pictures import Picture


def search_faces_by_image(request: Request, services: Services) -> Response:
    """Search with the largest face of a photo, of which nothing is kept."""
    collection, picture = _read_picture(request, services)
    probes, _ = _choose(picture, request)
    if not probes:
        raise InvalidParameterException(
            "There are no faces in the image that clear the quality filter and show who they are."
            if picture.detected
            else "There are no faces in the image. Should be at least 1."
        )
    model_version, (found,) = _search(request, services, collection, picture, probes[:1])
    return {**found, "FaceModelVersion": model_version}


def search_all_faces_by_image(request: Request, services: Services) -> Response:
    """Search with every face of a photo, of which nothing is kept; without one, find nothing."""
    collection, picture = _read_picture(request, services)
    probes, others = _choose(picture, request)
    model_version, found = _search(request, services, collection, picture, probes)
    return {
        "SearchedFaces": found,
        "UnsearchedFaces": [
            {"FaceDetails": face_detail(face), "Reasons": reasons} for face, reasons in others
        ],
        "FaceModelVersion": model_version,
    }


def _read_picture(request: Request, services: Services) -> tuple[Collection, Picture]:
    """The collection and the photo."""
    collection = find_recent(services.database, request["CollectionId"])
    return collection, pictures.read(services, request["Image"], services.pack_of(collection))


def _choose(
    picture: Picture, request: Request
) -> tuple[list[DetectedFace], list[tuple[Face, list[str]]]]:
    """The faces to search with, largest first, and the others with their shortcomings."""
    quality_filter = request.get("QualityFilter", "NONE")
    if quality_filter == "NONE" and not any(screening.unfit(face) for face in picture.detected):
        # Poses and qualities, which nobody asks for, are not measured.
        return picture.detected, []
    screened = screening.screen(picture.faces, quality_filter)
    clear: list[DetectedFace] = [face for face, reasons in screened if not reasons]
    return clear, [(face, reasons) for face, reasons in screened if reasons]


def _search(
    request: Request,
    services: Services,
    seen: Collection,
    picture: Picture,
    probes: list[DetectedFace],
) -> tuple[str, list[dict[str, Any]]]:
    """The collection's model version, and for each probe what was found."""
    calibration = picture.pack.calibration
    found = search_current(
        services.database,
        seen,
        partial(
            search,
            probes=list(picture.pack.embed(picture.image, probes)),
            limit=request.get("MaxFaces", MOST_MATCHES),
            min_score=calibration.cosine(request.get("FaceMatchThreshold", MATCH_THRESHOLD)),
        ),
    )
    return seen.model_version, [
        {
            "SearchedFaceBoundingBox": bounding_box(*face.box),
            "SearchedFaceConfidence": face.confidence,
            "FaceMatches": face_matches(matches, calibration, seen.model_version),
        }
        for face, matches in zip(probes, found, strict=True)
    ]


lambda_handler = operation(
    "SearchFacesByImage",
    search_faces_by_image,
    SearchAllFacesByImage=search_all_faces_by_image,
)
