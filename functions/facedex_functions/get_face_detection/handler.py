"""GetFaceDetection: return the faces in a stored video, in order of time."""

from __future__ import annotations

from facedex.api.face_details import numbered_face
from facedex.runtime.operation import Request, Response, operation
from facedex.runtime.services import Services
from facedex.store import jobs, timelines
from facedex.workflows.stored_video import progress


def get_face_detection(request: Request, services: Services) -> Response:
    """Return a page of a finished job's faces, or the status of an unfinished or failed job."""
    job_id = request["JobId"]
    page = services.page(request, "GetFaceDetection", job_id)
    after = page.after or 0
    # In one snapshot: the job may end, or expire, between two statements.
    with services.database.reading() as connection, connection.snapshot():
        job = jobs.find(connection, job_id, "StartFaceDetection")
        state = progress(connection, job)
        found = timelines.by_time(connection, job_id, after=after, limit=page.limit)
    listed, token = page.split(found, lambda sighting: sighting.number)
    return {
        **state,
        "Faces": [
            {"Timestamp": sighting.moment, "Face": numbered_face(sighting.face)}
            for sighting in listed
        ],
        "NextToken": token,
    }


lambda_handler = operation("GetFaceDetection", get_face_detection)
