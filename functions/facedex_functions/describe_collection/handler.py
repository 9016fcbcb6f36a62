"""DescribeCollection: return a collection's numbers of faces and users and its model version."""

from __future__ import annotations

from facedex.runtime.operation import Request, Response, operation
from facedex.runtime.services import Services
from facedex.store import collections, counting


def describe_collection(request: Request, services: Services) -> Response:
    """Describe one collection."""
    # In one snapshot: the collection may be deleted between two statements.
    with services.database.reading() as connection, connection.snapshot():
        collection = collections.find(connection, request["CollectionId"])
        faces, users = counting.count(connection, collection)
    return {
        "FaceCount": faces,
        "UserCount": users,
        "FaceModelVersion": collection.model_version,
        "CollectionARN": services.owner.collection_arn(collection.collection_id),
        "CreationTimestamp": collection.created_at,
    }


lambda_handler = operation("DescribeCollection", describe_collection)
