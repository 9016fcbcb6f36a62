"""CreateCollection: an empty gallery, bound to the model pack that this service runs."""

from __future__ import annotations

from facedex.api.operation import Request, Response, operation
from facedex.services import Services
from facedex.store import collections, tags


def create_collection(request: Request, services: Services) -> Response:
    """Make a collection under a name that is free."""
    with services.database.transaction() as connection:
        collection = collections.create(
            connection, request["CollectionId"], services.pack.model_version
        )
        tags.put(connection, collection, request.get("Tags", {}))
    return {
        "StatusCode": 200,
        "CollectionArn": services.owner.collection_arn(collection.collection_id),
        "FaceModelVersion": collection.model_version,
    }


lambda_handler = operation("CreateCollection", create_collection)
