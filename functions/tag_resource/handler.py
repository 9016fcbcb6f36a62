"""TagResource: names and values of the caller's own, on a collection."""

from __future__ import annotations

from facedex.api.operation import Request, Response, operation
from facedex.services import Services
from facedex.store import collections, tags


def tag_resource(request: Request, services: Services) -> Response:
    """Add tags; one of the same name takes the new value."""
    collection_id = services.owner.collection_id(request["ResourceArn"])
    with services.database.transaction() as connection:
        collection = collections.find(connection, collection_id, keep=True)
        tags.put(connection, collection, request["Tags"])
    return {}


lambda_handler = operation("TagResource", tag_resource)
