"""TagResource: add tags to a collection or a stream processor."""

from __future__ import annotations

from facedex.runtime.operation import Request, Response, operation
from facedex.runtime.services import Services
from facedex.store import tags
from facedex.workflows import tagging


def tag_resource(request: Request, services: Services) -> Response:
    """Add tags; an existing tag of the same name gets the new value."""
    with services.database.transaction() as connection:
        resource = tagging.find(connection, services, request["ResourceArn"], for_update=True)
        if tagging.PACK in request["Tags"]:
            tagging.require_pack(connection, resource, request["Tags"][tagging.PACK])
        tags.put(connection, resource, request["Tags"])
    return {}


lambda_handler = operation("TagResource", tag_resource)
