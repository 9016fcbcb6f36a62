"""UntagResource: tags are removed from a collection."""

from __future__ import annotations

from facedex.api.operation import Request, Response, operation
from facedex.services import Services
from facedex.store import collections, tags


def untag_resource(request: Request, services: Services) -> Response:
    """Remove tags; names that are not there are passed over."""
    collection_id = services.owner.collection_id(request["ResourceArn"])
    with services.database.transaction() as connection:
        collection = collections.find(connection, collection_id, keep=True)
        tags.remove(connection, collection, request["TagKeys"])
    return {}


lambda_handler = operation("UntagResource", untag_resource)
