"""ListUsers: list the users of a collection, in order of their ids."""

from __future__ import annotations

from facedex.api.documents import MOST_USERS, user_document
from facedex.runtime.operation import Request, Response, operation
from facedex.runtime.services import Services
from facedex.store import collections, users


def list_users(request: Request, services: Services) -> Response:
    """List one page of a collection's users."""
    count = request.get("MaxResults", MOST_USERS)
    tokens = services.page_tokens("ListUsers")
    with services.database.reading() as connection:
        collection = collections.find(connection, request["CollectionId"])
        tokens = tokens.narrow(str(collection.key))
        after = tokens.read(request["NextToken"]) if "NextToken" in request else None
        found = users.page(connection, collection, after=after, limit=count + 1)
    page = found[:count]
    return {
        "Users": [user_document(user) for user in page],
        "NextToken": tokens.write(page[-1].user_id) if len(found) > count else None,
    }


lambda_handler = operation("ListUsers", list_users)
