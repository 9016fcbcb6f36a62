"""Requests with a ClientRequestToken: each is executed once, however often it arrives."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final

import orjson
from psycopg.types.json import Jsonb

from facedex.store.collections import Collection
from facedex.store.database import Connection
from facedex.store.store_errors import RequestMismatch

# How long a token is stored: longer than any SDK retries.
_KEPT: Final = "1 day"

# Removes some expired tokens, except those that another request is removing.
_FORGET: Final = f"""
DELETE FROM client_requests
WHERE collection_key = %(collection)s AND (operation, token) IN (
    SELECT operation, token FROM client_requests
    WHERE collection_key = %(collection)s AND created_at < now() - interval '{_KEPT}'
    ORDER BY created_at LIMIT 100 FOR UPDATE SKIP LOCKED
)
"""


# The stored responses that name a user. The first condition is that of an index.
_NAMING: Final = """
collection_key = %(collection)s AND response @? '$.*[*].UserId' AND jsonb_path_exists(
    response, '$.*[*] ? (@.UserId == $user)', jsonb_build_object('user', %(user)s::text)
)
"""
_FIND_NAMING: Final = f"""
SELECT operation, token, response FROM client_requests
WHERE {_NAMING} AND created_at >= now() - interval '{_KEPT}'
ORDER BY operation, token FOR UPDATE
"""
# Not those that another request is removing: it may wait for this one.
_FORGET_NAMING: Final = f"""
DELETE FROM client_requests
WHERE collection_key = %(collection)s AND (operation, token) IN (
    SELECT operation, token FROM client_requests
    WHERE {_NAMING} AND created_at < now() - interval '{_KEPT}' FOR UPDATE SKIP LOCKED
)
"""


def once(
    connection: Connection,
    collection: Collection,
    operation: str,
    token: str | None,
    request: dict[str, Any],
    act: Callable[[], dict[str, Any]],
) -> dict[str, Any]:
    """Execute a request, or return its earlier response.

    The transaction that does the work also stores the token, so a token is stored only if the work
    succeeds. If the same request arrives meanwhile, it waits for the first one.

    Args:
        token: the ClientRequestToken; a request without one (None) is always executed.
        request: the parameters, which must be the same if the token is.

    Raises:
        RequestMismatch: if the token was used before with another request.
    """
    if token is None:
        return act()
    digest = sha256(orjson.dumps(request, option=orjson.OPT_SORT_KEYS)).digest()
    key = (collection.key, operation, token)
    connection.execute(_FORGET, {"collection": collection.key})
    is_new = connection.execute(
        "INSERT INTO client_requests (collection_key, operation, token, request_digest)"
        " VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING token",
        (*key, digest),
    ).fetchone()
    if is_new:
        response = act()
        connection.execute(
            "UPDATE client_requests SET response = %s"
            " WHERE collection_key = %s AND operation = %s AND token = %s",
            (Jsonb(response, dumps=orjson.dumps), *key),
        )
        return response
    row = connection.execute(
        "SELECT request_digest, response FROM client_requests"
        " WHERE collection_key = %s AND operation = %s AND token = %s",
        key,
    ).fetchone()
    assert row is not None
    if bytes(row.request_digest) != digest:
        raise RequestMismatch(
            f"The ClientRequestToken: {token} you have supplied is already in use. It was used with"
            " other parameters; use a new one"
        )
    earlier: dict[str, Any] = row.response
    return earlier


def forget_user(connection: Connection, collection: Collection, user_id: str) -> None:
    """Remove a user's name from the stored responses of a collection.

    Args:
        connection: in a transaction that has locked the user and its faces, so that no other
            request can name the user now.
    """
    names = {"collection": collection.key, "user": user_id}
    connection.execute(_FORGET_NAMING, names)
    for row in connection.execute(_FIND_NAMING, names).fetchall():
        for listed in row.response.values():
            for each in listed if isinstance(listed, list) else ():
                if each.get("UserId") == user_id:
                    del each["UserId"]
        connection.execute(
            "UPDATE client_requests SET response = %s"
            " WHERE collection_key = %s AND operation = %s AND token = %s",
            (Jsonb(row.response, dumps=orjson.dumps), collection.key, row.operation, row.token),
        )
