"""Starts of jobs on stored video: a request that is repeated with its token starts one job."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from secrets import token_hex
from typing import Any, Final

import orjson

from facedex.store.database import Connection
from facedex.store.jobs import PLANNING, Order
from facedex.store.store_errors import RequestMismatch, TooManyJobs

# Name of the lock with which one request at a time counts the running jobs.
_COUNTING: Final = "video_jobs"


def find_repeated(
    connection: Connection, operation: str, token: str | None, request: Mapping[str, Any]
) -> str | None:
    """Return the id of the job that an earlier request with this token started, or None.

    Regions are separate: the same token in another region is another one.

    Raises:
        RequestMismatch: if the token was used with another request.
    """
    if token is None:
        return None
    row = connection.execute(
        "SELECT job_id, request_digest FROM video_jobs"
        " WHERE operation = %s AND region = %s AND request_token = ANY(%s)",
        # The release before regions stored the token alone.
        (operation, connection.region, [_token_of(connection, token), token]),
    ).fetchone()
    if row is None:
        return None
    if bytes(row.request_digest) != _digest(request):
        raise RequestMismatch(
            f"The ClientRequestToken: {token} you have supplied is already in use. It was used with"
            " other parameters; use a new one"
        )
    found: str = row.job_id
    return found


def start(
    connection: Connection,
    order: Order,
    *,
    token: str | None,
    request: Mapping[str, Any],
    limit: int,
    days: int,
    server: str = "",
) -> str:
    """Store a new job of the connection's region with its planning task, and return its id.

    A request that is repeated with the same token returns the same id, even if both run at once.

    Args:
        connection: in a transaction.
        order: the job's definition.
        token: the request's ClientRequestToken, or None.
        request: the parameters, which must be the same if the token is.
        limit: maximum number of running jobs in all regions, including this one.
        days: number of days for which the job and its results are kept.
        server: see ``Settings.server_of``.

    Raises:
        TooManyJobs: if that many jobs are running already.
        RequestMismatch: if the token was used with another request.
    """
    # One request at a time counts the jobs.
    connection.execute("SELECT lock_name(%s)", (_COUNTING,))
    # A twin may have started the job meanwhile, as the last one that the limit allows.
    if repeated := find_repeated(connection, order.operation, token, request):
        return repeated
    running = connection.execute(
        "SELECT count(*) AS jobs FROM video_jobs WHERE status = 'IN_PROGRESS'"
    ).fetchone()
    if running is not None and running.jobs >= limit:
        raise TooManyJobs(
            f"{running.jobs} open Jobs. Maximum limit: {limit}. Start this one when another has"
            " ended"
        )
    video, gallery = order.video, order.gallery
    row = connection.execute(
        "INSERT INTO video_jobs (job_id, region, operation, bucket, object_name, object_version,"
        " etag, size, collection_key, collection_id, threshold, model_version, topic_arn, job_tag,"
        " attributes, request_token, request_digest, server, expires_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s,"
        " now() + make_interval(days => %s))"
        " ON CONFLICT (operation, request_token) WHERE request_token IS NOT NULL DO NOTHING"
        " RETURNING job_id",
        (
            token_hex(32),
            connection.region,
            order.operation,
            video.bucket,
            video.name,
            video.version,
            video.etag,
            video.size,
            gallery and gallery.collection_key,
            gallery and gallery.collection_id,
            gallery and gallery.threshold,
            order.model_version,
            order.topic_arn,
            order.job_tag,
            order.attributes,
            token and _token_of(connection, token),
            token and _digest(request),
            server,
            days,
        ),
    ).fetchone()
    if row is None:
        repeated = find_repeated(connection, order.operation, token, request)
        assert repeated is not None
        return repeated
    connection.execute(
        "INSERT INTO video_tasks (job_id, task, starts, ends) VALUES (%s, %s, 0, 0)",
        (row.job_id, PLANNING),
    )
    job_id: str = row.job_id
    return job_id


def _token_of(connection: Connection, token: str) -> str:
    """Return a token as it is stored, with its region; no token contains a slash."""
    return f"{connection.region}/{token}"


def _digest(request: Mapping[str, Any]) -> bytes:
    return sha256(orjson.dumps(request, option=orjson.OPT_SORT_KEYS)).digest()
