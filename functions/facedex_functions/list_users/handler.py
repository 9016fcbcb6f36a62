"""ListUsers: list the users of a collection, in order of their ids."""

from __future__ import annotations

from facedex.api.documents import user_document
from facedex.runtime.operation import Request, Response, operation
from facedex.runtime.services import Services
from facedex.store import collections, users


def list_users(request: Request, services: Services) -> Response:
    """List one page of a collection's users."""
    page = services.page(request, "ListUsers")
    # In one snapshot: the collection may be deleted between two statements.
    with services.database.reading() as connection, connection.snapshot():
        collection = collections.find(connection, request["CollectionId"])
        page = page.narrow(str(collection.key))
        found = users.page(connection, collection, after=page.after, limit=page.limit)
    listed, token = page.split(found, lambda user: user.user_id)
    return {
        "Users": [user_document(user) for user in listed],
        "NextToken": token,
    }


lambda_handler = operation("ListUsers", list_users)
