"""Refusals in the form of the service that a request is for, so that its SDK understands them."""

from __future__ import annotations

import uuid
from dataclasses import replace
from enum import Enum, auto
from http import HTTPStatus
from typing import Final
from xml.sax.saxutils import escape

from facedex.api.errors import ServiceError
from facedex_local.access.access_errors import Refused
from facedex_local.http import routes
from facedex_local.http.exchange import Exchange
from facedex_local.http.gateway import Answer, Environ, raw_path
from facedex_local.http.refusals import refuse

# Codes of services with the query protocol, which are those of IAM's common errors.
_QUERY_CODES: Final = {
    "AccessDeniedException": "AccessDenied",
    "IncompleteSignatureException": "IncompleteSignature",
    "InvalidSignatureException": "SignatureDoesNotMatch",
    "MissingAuthenticationTokenException": "MissingAuthenticationToken",
    "UnrecognizedClientException": "InvalidClientTokenId",
}
_S3_SERVICES: Final = ("s3", None)
_VIDEO: Final = "kinesisvideo"
_FORM: Final = "application/x-www-form-urlencoded"
_LINGER: Final = 2.0  # seconds in which the rest of a refused body is still read


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


def write(environ: Environ, error: Refused | ServiceError) -> Answer:
    """Return the response to a refused request."""
    status = error.status
    if isinstance(error, Refused):
        return _s3(status, error.code, str(error))
    protocol = protocol_of(environ)
    if protocol in (Protocol.QUERY, Protocol.S3) or protocol is Protocol.REST_JSON:
        # These services answer 403 where services with AWS JSON answer 400.
        status = 400 if error.code == "IncompleteSignatureException" else max(status, 403)
    if protocol is Protocol.QUERY:
        return _query(status, _QUERY_CODES.get(error.code, error.code), error.message)
    if protocol is Protocol.S3:
        return _s3(status, _QUERY_CODES.get(error.code, error.code), error.message)
    answer = refuse(environ, HTTPStatus(status), error.code, error.message)
    return replace(answer, headers=[*answer.headers, ("x-amzn-ErrorType", error.code)])


async def send(exchange: Exchange, answer: Answer) -> None:
    """Send a refusal, without waiting for the body of a client that continues to send it."""
    await exchange.answer(answer, close=not exchange.complete, linger=_LINGER)


def _s3(status: int, code: str, message: str) -> Answer:
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


def _query(status: int, code: str, message: str) -> Answer:
    request_id = str(uuid.uuid4())
    return Answer(
        status,
        [("Content-Type", "text/xml"), ("x-amzn-RequestId", request_id)],
        (
            f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code>"
            f"<Message>{_text(message)}</Message></Error>"
            f"<RequestId>{request_id}</RequestId></ErrorResponse>"
        ).encode(),
    )


def _text(message: str) -> str:
    """Return a message as XML's characters; XML has no escapes for control characters."""
    return escape("".join(each if each.isprintable() else "?" for each in message))
