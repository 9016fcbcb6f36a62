"""ListTagsForResource: the tags of a collection or a stream processor."""

from __future__ import annotations

from facedex import tagging
from facedex.api.operation import Request, Response, operation
from facedex.services import Services
from facedex.store import tags


def list_tags_for_resource(request: Request, services: Services) -> Response:
    """List every tag of a resource."""
    with services.database.reading() as connection:
        resource = tagging.find(connection, services, request["ResourceArn"])
        return {"Tags": tags.read(connection, resource)}


lambda_handler = operation("ListTagsForResource", list_tags_for_resource)
