"""SearchFacesByImage: find the faces of a collection that resemble the largest face of a photo.

With the extension ``?faces=all`` on the REST route, it searches for every face of the photo.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from facedex.api.documents import (
    MATCH_THRESHOLD,
    MOST_MATCHES,
    bounding_box,
    face_matches,
)
from facedex.api.errors import InvalidParameterException
from facedex.api.face_details import face_detail
from facedex.runtime.operation import Request, Response, operation
from facedex.runtime.services import Services
from facedex.store.collections import Collection, find_recent
from facedex.store.search import search
from facedex.vision import screening
from facedex.vision.faces import DetectedFace, Face
from facedex.workflows import pictures
from facedex.workflows.current_collection import search_current
from facedex.workflows.pictures import Picture


def search_faces_by_image(request: Request, services: Services) -> Response:
    """Search with the largest face of a photo; nothing is stored."""
    collection, picture = _read_photo(request, services)
    probes, _ = _select_probes(picture, request)
    if not probes:
        # Rekognition's own sentence for this case, which clients compare with.
        raise InvalidParameterException(
            "There are no faces in the image that pass the quality filter and can be identified."
            if picture.detected
            else "There are no faces in the image. Should be at least 1.",
            opening="",
        )
    model_version, (found,) = _search(request, services, collection, picture, probes[:1])
    return {**found, "FaceModelVersion": model_version}


def search_all_faces_by_image(request: Request, services: Services) -> Response:
    """Search with every face of a photo, which may have none; nothing is stored."""
    collection, picture = _read_photo(request, services)
    probes, others = _select_probes(picture, request)
    model_version, found = _search(request, services, collection, picture, probes)
    return {
        "SearchedFaces": found,
        "UnsearchedFaces": [
            {"FaceDetails": face_detail(face), "Reasons": reasons} for face, reasons in others
        ],
        "FaceModelVersion": model_version,
    }


def _read_photo(request: Request, services: Services) -> tuple[Collection, Picture]:
    """Return the collection, and the photo with its faces detected by the collection's pack."""
    collection = find_recent(services.database, request["CollectionId"])
    return collection, pictures.read(services, request["Image"], services.pack_of(collection))


def _select_probes(
    picture: Picture, request: Request
) -> tuple[list[DetectedFace], list[tuple[Face, list[str]]]]:
    """Return the faces to search with, largest first, and the others with the reasons."""
    quality_filter = request.get("QualityFilter", "NONE")
    if quality_filter == "NONE" and not any(screening.unfit(face) for face in picture.detected):
        # Poses and qualities are not needed, so they are not measured.
        return picture.detected, []
    screened = screening.screen(picture.faces, quality_filter)
    probes: list[DetectedFace] = [face for face, reasons in screened if not reasons]
    return probes, [(face, reasons) for face, reasons in screened if reasons]


def _search(
    request: Request,
    services: Services,
    seen: Collection,
    picture: Picture,
    probes: list[DetectedFace],
) -> tuple[str, list[dict[str, Any]]]:
    """Return the collection's model version, and the search result of each probe."""
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
