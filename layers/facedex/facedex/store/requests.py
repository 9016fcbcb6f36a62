"""Requests with a ClientRequestToken: done once, however often they arrive."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final

import orjson
from psycopg.types.json import Jsonb

from facedex.store.collections import Collection
from facedex.store.database import Connection
from facedex.store.errors import RequestMismatch

# Long past every SDK's last retry.
_KEPT: Final = "1 day"

# Some of the oldest at a time, and none that another request is forgetting.
_FORGET: Final = f"""
DELETE FROM client_requests WHERE (collection_key, operation, token) IN (
    SELECT collection_key, operation, token FROM client_requests
    WHERE collection_key = %(collection)s AND created_at < now() - interval '{_KEPT}'
    ORDER BY created_at LIMIT 100 FOR UPDATE SKIP LOCKED
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
    """Do what a request asks for, or answer as it was answered before.

    The token is stored in the transaction that does the work: if that fails, so does the token. A
    twin that arrives meanwhile waits for the first.

    Args:
        token: None for a request without one, which is done each time.
        request: what has to be the same when the token is.

    Raises:
        RequestMismatch: the token came with another request before.
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
            "The ClientRequestToken was used before with other parameters; use a new one"
        )
    earlier: dict[str, Any] = row.response
    return earlier
