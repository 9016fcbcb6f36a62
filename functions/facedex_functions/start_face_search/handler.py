"""StartFaceSearch: start a job that searches a stored video for the faces of a collection."""

from __future__ import annotations

from facedex.api.documents import MATCH_THRESHOLD
from facedex.runtime.operation import Request, Response, operation
from facedex.runtime.services import Services
from facedex.workflows.stored_video import begin


def start_face_search(request: Request, services: Services) -> Response:
    """Start a job, or return the one that a request with the same ClientRequestToken started."""
    threshold = request.get("FaceMatchThreshold", MATCH_THRESHOLD)
    return {"JobId": begin("StartFaceSearch", request, services, threshold=threshold)}


lambda_handler = operation("StartFaceSearch", start_face_search)
