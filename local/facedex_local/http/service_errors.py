"""Errors of the stand-ins in the form of the service that a request is for.

An SDK reports an error in another form without its code and its message.
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from enum import Enum, auto
from http import HTTPStatus
from typing import Final
from xml.sax.saxutils import escape

from facedex_local.http import routes
from facedex_local.http.gateway import Answer, Environ, raw_path
from facedex_local.http.refusals import refuse

_S3_SERVICES: Final = ("s3", None)
_VIDEO: Final = "kinesisvideo"
_FORM: Final = "application/x-www-form-urlencoded"


class Protocol(Enum):
    """The protocols whose errors differ."""

    S3 = auto()
    QUERY = auto()
    JSON = auto()
    REST_JSON = auto()


def protocol_of(environ: Environ) -> Protocol:
    """Return the protocol of a request; whatever has no signature and no action is S3's."""
    service = routes.signed_for(environ)
    if "HTTP_X_AMZ_TARGET" in environ:
        return Protocol.JSON
    if service == _VIDEO or (service is None and raw_path(environ) in ("/putMedia", "/getMedia")):
        return Protocol.REST_JSON
    # curl and Python's urllib name this type for any body, such as that of an upload with PUT.
    is_form = environ["REQUEST_METHOD"] == "POST" and environ.get("CONTENT_TYPE", "").startswith(
        _FORM
    )
    acts = "Action=" in environ["QUERY_STRING"] or is_form
    if service != "s3" and acts:
        return Protocol.QUERY
    return Protocol.S3 if service in _S3_SERVICES else Protocol.REST_JSON


def write_error(environ: Environ, status: int, code: str, message: str) -> Answer:
    """Return an error response in the form of a request's service.

    Args:
        environ: the request.
        status: the HTTP status.
        code: the service's name of the error.
        message: one sentence for the caller.
    """
    protocol = protocol_of(environ)
    if protocol is Protocol.QUERY:
        return write_query_error(status, code, message)
    if protocol is Protocol.S3:
        return write_s3_error(status, code, message)
    answer = refuse(environ, HTTPStatus(status), code, message)
    return replace(answer, headers=[*answer.headers, ("x-amzn-ErrorType", code)])


def write_s3_error(status: int, code: str, message: str) -> Answer:
    """Return an error response of S3."""
    request_id = uuid.uuid4().hex[:16].upper()
    return Answer(
        status,
        [("Content-Type", "application/xml"), ("x-amz-request-id", request_id)],
        (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Error><Code>{code}</Code><Message>{_text(message)}</Message>"
            f"<RequestId>{request_id}</RequestId></Error>"
        ).encode(),
    )


def write_query_error(status: int, code: str, message: str) -> Answer:
    """Return an error response of a service with the query protocol."""
    request_id = str(uuid.uuid4())
    side = "Sender" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "Receiver"
    return Answer(
        status,
        [("Content-Type", "text/xml"), ("x-amzn-RequestId", request_id)],
        (
            f"<ErrorResponse><Error><Type>{side}</Type><Code>{code}</Code>"
            f"<Message>{_text(message)}</Message></Error>"
            f"<RequestId>{request_id}</RequestId></ErrorResponse>"
        ).encode(),
    )


def _text(message: str) -> str:
    """Return a message as XML's characters; XML has no escapes for control characters."""
    return escape("".join(each if each.isprintable() else "?" for each in message))
