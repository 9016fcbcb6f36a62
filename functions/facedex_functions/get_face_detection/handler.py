"""GetFaceDetection: the faces in a stored video, in the order of time."""

from __future__ import annotations

from facedex.api.documents import numbered_face
from facedex.runtime.operation import Request, Response, operation
from facedex.runtime.services import Services
from facedex.store import jobs, timelines
from facedex.workflows.stored_video import LARGEST_PAGE, progress


def get_face_detection(request: Request, services: Services) -> Response:
    """A page of the faces of a finished job; of any other, how it stands."""
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
