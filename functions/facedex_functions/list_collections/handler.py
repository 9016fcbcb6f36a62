"""ListCollections: list the collections in order of creation."""

from __future__ import annotations

from facedex.runtime.operation import Request, Response, operation
from facedex.runtime.services import Services
from facedex.store import collections


def list_collections(request: Request, services: Services) -> Response:
    """List one page of collections."""
    page = services.page(request, "ListCollections")
    after = page.after or 0
    with services.database.reading() as connection:
        found = collections.page(connection, after=after, limit=page.limit)
    listed, token = page.split(found, lambda collection: collection.key)
    return {
        "CollectionIds": [collection.collection_id for collection in listed],
        "FaceModelVersions": [collection.model_version for collection in listed],
        "NextToken": token,
    }


lambda_handler = operation("ListCollections", list_collections)
