"""UntagResource: remove tags from a collection or a stream processor."""

from __future__ import annotations

from facedex.runtime.operation import Request, Response, operation
from facedex.runtime.services import Services
from facedex.store import tags
from facedex.workflows import tagging


def untag_resource(request: Request, services: Services) -> Response:
    """Remove tags; names without a tag are ignored."""
    with services.database.transaction(frees=True) as connection:
        resource = tagging.find(connection, services, request["ResourceArn"], for_update=True)
        if tagging.PACK in request["TagKeys"]:
            tagging.require_pack(connection, resource, None)
        tags.remove(connection, resource, request["TagKeys"])
    return {}


lambda_handler = operation("UntagResource", untag_resource)
