"""IndexFaces: store the faces of a photo as face records; the photo itself is not stored."""

from __future__ import annotations

from facedex.api.documents import face_document
from facedex.api.face_details import face_detail
from facedex.runtime.operation import Request, Response, operation
from facedex.runtime.services import Services
from facedex.workflows import indexing


def index_faces(request: Request, services: Services) -> Response:
    """Find the faces in a photo and add them to a collection."""
    indexed = indexing.index(request, services)
    return {
        "FaceRecords": [
            {"Face": face_document(record, indexed.model_version), "FaceDetail": face_detail(face)}
            for record, face in indexed.records
        ],
        "FaceModelVersion": indexed.model_version,
        "UnindexedFaces": [
            {"Reasons": reasons, "FaceDetail": face_detail(face)}
            for face, reasons in indexed.unindexed
        ],
    }


lambda_handler = operation("IndexFaces", index_faces)
