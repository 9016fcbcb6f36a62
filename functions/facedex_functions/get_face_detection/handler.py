"""GetFaceDetection: return the faces in a stored video, in order of time."""

from __future__ import annotations

from facedex.api.documents import numbered_face
from facedex.runtime.operation import Request, Response, operation
from facedex.runtime.services import Services
from facedex.store import jobs, timelines
from facedex.workflows.stored_video import LARGEST_PAGE, progress


def get_face_detection(request: Request, services: Services) -> Response:
    """Return a page of a finished job's faces, or the status of an unfinished or failed job."""
    job_id = request["JobId"]
    tokens = services.page_tokens("GetFaceDetection", job_id)
    after = tokens.read(request["NextToken"]) if request.get("NextToken") else 0
    count = min(request.get("MaxResults", LARGEST_PAGE), LARGEST_PAGE)
    with services.database.reading() as connection:
        job = jobs.find(connection, job_id, "StartFaceDetection")
        state = progress(connection, job)
        found = timelines.by_time(connection, job_id, after=after, limit=count + 1)
    page = found[:count]
    return {
        **state,
        "Faces": [
            {"Timestamp": sighting.moment, "Face": numbered_face(sighting.face)}
            for sighting in page
        ],
        "NextToken": tokens.write(page[-1].number) if len(found) > count else None,
    }


lambda_handler = operation("GetFaceDetection", get_face_detection)
