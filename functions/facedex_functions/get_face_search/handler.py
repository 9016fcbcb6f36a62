"""GetFaceSearch: return the persons in a stored video and their matches in a collection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from facedex.api.documents import face_document
from facedex.api.face_details import numbered_face
from facedex.runtime.operation import Request, Response, operation
from facedex.runtime.services import Services
from facedex.store import jobs, timelines
from facedex.store.timelines import SimilarFace
from facedex.workflows.stored_video import progress


def get_face_search(request: Request, services: Services) -> Response:
    """Return a page of a finished job's persons, or the status of an unfinished or failed job."""
    job_id, order = request["JobId"], request.get("SortBy", "TIMESTAMP")
    is_by_person = order == "INDEX"
    page = services.page(request, "GetFaceSearch", job_id, order)
    after = page.after
    # In one snapshot: the job may end, or expire, between two statements.
    with services.database.reading() as connection, connection.snapshot():
        job = jobs.find(connection, job_id, "StartFaceSearch")
        state = progress(connection, job)
        if is_by_person:
            found = timelines.by_person(
                connection, job_id, after=tuple(after or (-1, 0)), limit=page.limit
            )
        else:
            found = timelines.by_time(connection, job_id, after=after or 0, limit=page.limit)
        listed, token = page.split(
            found, lambda each: [each.person, each.number] if is_by_person else each.number
        )
        matches = timelines.matches(connection, job_id, (each.person for each in listed))
    return {
        **state,
        "Persons": [
            {
                "Timestamp": sighting.moment,
                "Person": _person(sighting.person, sighting.face),
                "FaceMatches": _face_matches(matches[sighting.person], job.order.model_version),
            }
            for sighting in listed
        ],
        "NextToken": token,
    }


def _person(index: int, face: Sequence[float]) -> dict[str, Any]:
    detail = numbered_face(face)
    return {"Index": index, "BoundingBox": detail["BoundingBox"], "Face": detail}


def _face_matches(
    matches: Sequence[SimilarFace], model_version: str
) -> list[dict[str, Any]] | None:
    # As in Rekognition's responses, a person without matches has no FaceMatches member.
    return [
        {"Similarity": match.similarity, "Face": face_document(match.face, model_version)}
        for match in matches
    ] or None


lambda_handler = operation("GetFaceSearch", get_face_search)
