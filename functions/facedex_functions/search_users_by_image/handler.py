"""SearchUsersByImage: find the users of a collection who resemble the largest face of a photo."""

from __future__ import annotations

from functools import partial
from typing import Any

from facedex.api.documents import MATCH_THRESHOLD, MOST_USERS, user_matches
from facedex.api.face_details import face_detail
from facedex.runtime.operation import Request, Response, operation
from facedex.runtime.services import Services
from facedex.store.collections import find_recent, require_kept
from facedex.store.search import search_users as search
from facedex.vision.screening import screen
from facedex.workflows import pictures
from facedex.workflows.current_collection import search_current


def search_users_by_image(request: Request, services: Services) -> Response:
    """Search with the largest face of a photo, which may have none; nothing is stored."""
    collection = find_recent(services.database, request["CollectionId"])
    pack = services.pack_of(collection)
    picture = pictures.read(services, request["Image"], pack)
    probe = None
    unsearched: list[dict[str, Any]] = []
    for face, shortcomings in screen(picture.faces, request.get("QualityFilter", "NONE")):
        reasons = shortcomings or ([] if probe is None else ["FACE_NOT_LARGEST"])
        if reasons:
            unsearched.append({"FaceDetails": face_detail(face), "Reasons": reasons})
        else:
            probe = face
    response: Response = {
        "UserMatches": [],
        "FaceModelVersion": collection.model_version,
        "UnsearchedFaces": unsearched,
    }
    if probe is None:
        # Without a search, check separately that the collection still exists.
        search_current(services.database, collection, require_kept)
        return response
    (vector,) = pack.embed(picture.image, [probe])
    calibration = pack.calibration
    matches = search_current(
        services.database,
        collection,
        partial(
            search,
            probe=vector,
            limit=request.get("MaxUsers", MOST_USERS),
            min_score=calibration.cosine(request.get("UserMatchThreshold", MATCH_THRESHOLD)),
        ),
    )
    return {
        **response,
        "UserMatches": user_matches(matches, calibration),
        "SearchedFace": {"FaceDetail": face_detail(probe)},
    }


lambda_handler = operation("SearchUsersByImage", search_users_by_image)
