"""DetectFaces: return the position and the requested attributes of each face in a photo."""

from __future__ import annotations

from facedex.api.face_details import face_detail
from facedex.runtime.operation import Request, Response, operation
from facedex.runtime.services import Services
from facedex.workflows import attributes, pictures


def detect_faces(request: Request, services: Services) -> Response:
    """Find the faces in a photo, the largest first; nothing is stored."""
    picture = pictures.read(services, request["Image"])
    faces = attributes.measure(picture.image, picture.faces, request.get("Attributes", ()))
    return {"FaceDetails": [face_detail(face) for face in faces]}


lambda_handler = operation("DetectFaces", detect_faces)
