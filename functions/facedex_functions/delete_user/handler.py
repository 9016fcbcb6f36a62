"""DeleteUser: delete a user; its faces stay in the collection without a user."""

from __future__ import annotations

from facedex.runtime.operation import Request, Response, operation
from facedex.runtime.services import Services
from facedex.store import collections, users
from facedex.store.requests import once


def delete_user(request: Request, services: Services) -> Response:
    """Delete a user."""
    with services.database.transaction(frees=True) as connection:
        collection = collections.find(connection, request["CollectionId"], for_update=True)

        def delete() -> Response:
            users.delete(connection, collection, request["UserId"])
            return {}

        token = request.get("ClientRequestToken")
        return once(connection, collection, "DeleteUser", token, request, delete)


lambda_handler = operation("DeleteUser", delete_user)
