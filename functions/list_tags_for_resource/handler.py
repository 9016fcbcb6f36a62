"""ListTagsForResource: the tags of a collection."""

from __future__ import annotations

from facedex.api.operation import Request, Response, operation
from facedex.services import Services
from facedex.store import collections, tags


def list_tags_for_resource(request: Request, services: Services) -> Response:
    """List every tag of a collection."""
    collection_id = services.owner.collection_id(request["ResourceArn"])
    with services.database.reading() as connection:
        collection = collections.find(connection, collection_id)
        return {"Tags": tags.read(connection, collection)}


lambda_handler = operation("ListTagsForResource", list_tags_for_resource)
