"""Refusals in the form of the service that a request is for, so that its SDK understands them."""

from __future__ import annotations

from typing import Final

from facedex.api.errors import ServiceError
from facedex_local.access.access_errors import Refused
from facedex_local.http.exchange import Exchange
from facedex_local.http.gateway import Answer, Environ
from facedex_local.http.service_errors import (
    Protocol,
    protocol_of,
    write_error,
    write_s3_error,
)

# Codes of services with the query protocol, which are those of IAM's common errors.
_QUERY_CODES: Final = {
    "AccessDeniedException": "AccessDenied",
    "IncompleteSignatureException": "IncompleteSignature",
    "InvalidSignatureException": "SignatureDoesNotMatch",
    "MissingAuthenticationTokenException": "MissingAuthenticationToken",
    "UnrecognizedClientException": "InvalidClientTokenId",
}
_LINGER: Final = 2.0  # seconds in which the rest of a refused body is still read


def write(environ: Environ, error: Refused | ServiceError) -> Answer:
    """Return the response to a refused request."""
    status, code = error.status, error.code
    if isinstance(error, Refused):
        return write_s3_error(status, code, str(error))
    protocol = protocol_of(environ)
    if protocol is not Protocol.JSON:
        # These services answer 403 where services with AWS JSON answer 400.
        status = 400 if code == "IncompleteSignatureException" else max(status, 403)
    if protocol in (Protocol.QUERY, Protocol.S3):
        code = _QUERY_CODES.get(code, code)
    return write_error(environ, status, code, error.message)


async def send(exchange: Exchange, answer: Answer) -> None:
    """Send a refusal, without waiting for the body of a client that continues to send it."""
    await exchange.answer(answer, close=not exchange.complete, linger=_LINGER)
