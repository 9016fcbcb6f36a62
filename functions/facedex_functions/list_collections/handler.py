"""ListCollections: list the collections in order of creation."""

from __future__ import annotations

from facedex.api.pages import LARGEST_PAGE
from facedex.runtime.operation import Request, Response, operation
from facedex.runtime.services import Services
from facedex.store import collections


def list_collections(request: Request, services: Services) -> Response:
    """List one page of collections."""
    tokens = services.page_tokens("ListCollections")
    after = tokens.read(request["NextToken"]) if "NextToken" in request else 0
    count = request.get("MaxResults") or LARGEST_PAGE
    with services.database.reading() as connection:
        found = collections.page(connection, after=after, limit=count + 1)
    page = found[:count]
    return {
        "CollectionIds": [collection.collection_id for collection in page],
        "FaceModelVersions": [collection.model_version for collection in page],
        "NextToken": tokens.write(page[-1].key) if len(found) > count else None,
    }


lambda_handler = operation("ListCollections", list_collections)
