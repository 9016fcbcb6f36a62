"""Error responses that the server creates itself, in the form of AWS services."""

from __future__ import annotations

import json
import uuid
from http import HTTPStatus

from facedex.api.media_types import JSON, JSON_1_1
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
    headers = [
        ("Content-Type", JSON if by_rest else JSON_1_1),
        ("x-amzn-RequestId", str(uuid.uuid4())),
    ]
    return Answer(status, headers, json.dumps({"__type": code, "Message": message}).encode())


def deny(environ: Environ, message: str) -> Answer:
    """Return an error response for a request that is valid but not allowed."""
    return refuse(environ, HTTPStatus.FORBIDDEN, "AccessDeniedException", message)
