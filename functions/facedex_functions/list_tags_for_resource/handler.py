"""ListTagsForResource: list the tags of a collection or a stream processor."""

from __future__ import annotations

from facedex.runtime.operation import Request, Response, operation
from facedex.runtime.services import Services
from facedex.store import tags
from facedex.workflows import tagging


def list_tags_for_resource(request: Request, services: Services) -> Response:
    """List all tags of a resource."""
    # In one snapshot: the resource may be deleted between two statements.
    with services.database.reading() as connection, connection.snapshot():
        resource = tagging.find(connection, services, request["ResourceArn"])
        return {"Tags": tags.read(connection, resource)}


lambda_handler = operation("ListTagsForResource", list_tags_for_resource)
