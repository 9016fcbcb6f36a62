"""DescribeCollection: how many faces a gallery has, and which model made them."""

from __future__ import annotations

from facedex.api.operation import Request, Response, operation
from facedex.services import Services
from facedex.store import collections


def describe_collection(request: Request, services: Services) -> Response:
    """Describe one collection."""
    with services.database.transaction() as connection:
        collection = collections.find(connection, request["CollectionId"])
        faces = collections.count_faces(connection, collection.key)
    return {
        "FaceCount": faces,
        "FaceModelVersion": collection.model_version,
        "CollectionARN": services.owner.collection_arn(collection.collection_id),
        "CreationTimestamp": collection.created_at,
    }


lambda_handler = operation("DescribeCollection", describe_collection)
