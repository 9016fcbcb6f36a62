"""DeleteCollection: hide a collection immediately, then delete its rows permanently."""

from __future__ import annotations

from facedex.runtime.operation import Request, Response, operation
from facedex.runtime.services import Services
from facedex.store import collections


def delete_collection(request: Request, services: Services) -> Response:
    """Delete a collection with everything in it."""
    collections.delete(services.database, request["CollectionId"])
    return {"StatusCode": 200}


lambda_handler = operation("DeleteCollection", delete_collection)
