"""CompareFaces: compare the largest face of a photo with all faces of another; store nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from facedex.api.documents import MATCH_THRESHOLD, bounding_box
from facedex.api.errors import InvalidParameterException, ServiceError
from facedex.api.face_details import face_detail
from facedex.runtime.operation import Request, Response, operation
from facedex.runtime.services import Services
from facedex.vision.faces import Face
from facedex.vision.screening import screen
from facedex.vision.vision_errors import ImageTooLarge, ImageTooSmall, InvalidImage
from facedex.workflows import pictures
from facedex.workflows.pictures import Picture

if TYPE_CHECKING:
    from facedex.vision.packs import Pack


def compare_faces(request: Request, services: Services) -> Response:
    """Compare two photos."""
    quality_filter = request.get("QualityFilter", "NONE")
    source = _read(services, request, "SourceImage")
    good, _ = _screen(source, quality_filter)
    if not good:
        raise _refusal(source, "source")
    probe = good[0]
    target = _read(services, request, "TargetImage", source.pack)
    gallery, filtered = _screen(target, quality_filter)
    # NONE leaves out no face. One that cannot be recognised has no match, but is reported.
    unlike = filtered if quality_filter == "NONE" else []
    if not gallery and not unlike:
        raise _refusal(target, "target")
    calibration = source.pack.calibration
    (vector,) = source.pack.embed(source.image, [probe])
    scores = (source.pack.embed(target.image, gallery) @ vector).tolist()
    lowest = calibration.cosine(request.get("SimilarityThreshold", MATCH_THRESHOLD))
    matched: list[dict[str, Any]] = []
    unmatched: list[dict[str, Any]] = []
    for score, face in sorted(zip(scores, gallery, strict=True), key=lambda pair: -pair[0]):
        if score >= lowest:
            document = {"Similarity": calibration.similarity(score), "Face": face_detail(face)}
            matched.append(document)
        else:
            unmatched.append(face_detail(face))
    unmatched += map(face_detail, unlike)
    return {
        "SourceImageFace": {
            "BoundingBox": bounding_box(*probe.box),
            "Confidence": probe.confidence,
        },
        "FaceMatches": matched,
        "UnmatchedFaces": unmatched,
    }


def _read(services: Services, request: Request, member: str, pack: Pack | None = None) -> Picture:
    """Read one of the two photos; the message of an error begins with the member's name."""
    try:
        return pictures.read(services, request[member], pack)
    except (ServiceError, ImageTooLarge, ImageTooSmall, InvalidImage) as error:
        error.args = (f"{member}: {error}",)
        raise


def _screen(picture: Picture, quality_filter: str) -> tuple[list[Face], list[Face]]:
    """Return the faces of a photo that can be compared, largest first, and the others."""
    screened = screen(picture.faces, quality_filter)
    good = [face for face, reasons in screened if not reasons]
    return good, [face for face, reasons in screened if reasons]


def _refusal(picture: Picture, which: str) -> InvalidParameterException:
    """Return the error for a photo without a face that can be compared."""
    return InvalidParameterException(
        f"There are no faces in the {which} image that pass the quality filter and can be"
        " identified."
        if picture.faces
        else f"There are no faces in the {which} image. Should be at least 1."
    )


lambda_handler = operation("CompareFaces", compare_faces)
