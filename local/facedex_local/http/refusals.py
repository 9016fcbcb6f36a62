"""Error responses that the server creates itself, in the form of AWS services."""

from __future__ import annotations

import uuid
from http import HTTPStatus

from facedex.api.media_types import JSON, JSON_1_1
from facedex.api.writing import write_error
from facedex_local.http.gateway import Answer, Environ, raw_path


def refuse(environ: Environ, status: HTTPStatus, code: str, message: str) -> Answer:
    """Return an error response that SDKs convert into an exception with its code.

    Args:
        environ: the request.
        status: the HTTP status.
        code: the error's name in Rekognition or in AWS's JSON services.
        message: one sentence for the caller.
    """
    by_rest = raw_path(environ) not in ("", "/")
    request_id = str(uuid.uuid4())
    headers = [
        ("Content-Type", JSON if by_rest else JSON_1_1),
        ("x-amzn-RequestId", request_id),
    ]
    return Answer(status, headers, write_error(code, message, request_id))


def deny(environ: Environ, message: str) -> Answer:
    """Return an error response for a request that is valid but not allowed."""
    return refuse(environ, HTTPStatus.FORBIDDEN, "AccessDeniedException", message)
