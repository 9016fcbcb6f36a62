"""Answers that the machine gives itself, in the form in which AWS's services refuse."""

from __future__ import annotations

import json
import uuid
from http import HTTPStatus

from facedex.api.media_types import JSON, JSON_1_1
from facedex_local.http.gateway import Answer, Environ, raw_path


def refuse(environ: Environ, status: HTTPStatus, code: str, message: str) -> Answer:
    """An error answer that SDKs turn into an exception of its code.

    Args:
        environ: the request.
        status: HTTP status.
        code: name of the error, as Rekognition or AWS's JSON services have it.
        message: one sentence for the caller.
    """
    by_rest = raw_path(environ) not in ("", "/")
    headers = [
        ("Content-Type", JSON if by_rest else JSON_1_1),
        ("x-amzn-RequestId", str(uuid.uuid4())),
    ]
    return Answer(status, headers, json.dumps({"__type": code, "Message": message}).encode())


def deny(environ: Environ, message: str) -> Answer:
    """Say that the request is understood and not allowed."""
    return refuse(environ, HTTPStatus.FORBIDDEN, "AccessDeniedException", message)
