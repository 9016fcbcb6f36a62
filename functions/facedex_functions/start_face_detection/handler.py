"""StartFaceDetection: start a job that finds the faces in a stored video."""

from __future__ import annotations

from facedex.runtime.operation import Request, Response, operation
from facedex.runtime.services import Services
from facedex.workflows.stored_video import begin


def start_face_detection(request: Request, services: Services) -> Response:
    """Start a job, or return the one that a request with the same ClientRequestToken started."""
    return {"JobId": begin("StartFaceDetection", request, services, threshold=None)}


lambda_handler = operation("StartFaceDetection", start_face_detection)
