"""CreateUser: create a user, with which faces can be associated."""

from __future__ import annotations

from facedex.runtime.operation import Request, Response, operation
from facedex.runtime.services import Services
from facedex.store import collections, users
from facedex.store.requests import once


def create_user(request: Request, services: Services) -> Response:
    """Create a user without faces."""
    with services.database.transaction() as connection:
        collection = collections.find(connection, request["CollectionId"], for_update=True)

        def create() -> Response:
            users.create(connection, collection, request["UserId"])
            return {}

        token = request.get("ClientRequestToken")
        return once(connection, collection, "CreateUser", token, request, create)


lambda_handler = operation("CreateUser", create_user)
