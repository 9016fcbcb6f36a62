"""DetectFaces: return the position, pose and quality of each face in a photo."""

from __future__ import annotations

from facedex.api.documents import face_detail
from facedex.runtime.operation import Request, Response, operation
from facedex.runtime.services import Services
from facedex.workflows import pictures


def detect_faces(request: Request, services: Services) -> Response:
    """Find the faces in a photo, the largest first; nothing is stored."""
    picture = pictures.read(services, request["Image"])
    return {"FaceDetails": [face_detail(face) for face in picture.faces]}


lambda_handler = operation("DetectFaces", detect_faces)
