"""Signature Version 4 as S3 verifies it, with S3's errors.

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-auth-using-authorization-header.html and
sigv4-query-string-auth.html in the same guide.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from facedex.access.authorization import Authorization, read_authorization
from facedex.access.signatures import (
    ALGORITHM,
    TERMINATOR,
    is_signed_by,
    parse_lifetime,
    parse_time,
)
from facedex.access.signed_request import Received
from facedex.api.errors import ServiceError
from facedex.store.access_keys import Credentials
from facedex_local.access.access_errors import MISMATCH, SESSION, UNKNOWN_KEY, Refused

UNSIGNED_PAYLOAD: Final = "UNSIGNED-PAYLOAD"
UNSIGNED_CHUNKS: Final = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
SIGNED_CHUNKS: Final = (
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
)
SERVICE: Final = "s3"

_SKEW: Final = timedelta(minutes=15)
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_HEADER: Final = "x-amz-content-sha256"


@dataclass(frozen=True, slots=True)
class Signed:
    """A verified signature.

    Attributes:
        claimed: the signature and its parameters.
        credentials: the key that made it.
        payload: SHA-256 of the body in hexadecimal, or one of S3's words for how it is signed.
    """

    claimed: Authorization
    credentials: Credentials
    payload: str


def verify(received: Received, find: Callable[[str], Credentials | None], now: datetime) -> Signed:
    """Verify a signature in the header or the query string; the body is not looked at.

    Args:
        received: the request.
        find: returns the active credentials of an access key id, or None.
        now: the current time.

    Raises:
        Refused: if the signature is not valid.
    """
    presigned = any(name == "X-Amz-Algorithm" for name, _ in received.query)
    try:
        claimed = read_authorization(received)
        signed_at = parse_time(claimed.date)
        lifetime = parse_lifetime(claimed.expires) if claimed.expires is not None else None
    except ServiceError as error:
        code = "AuthorizationQueryParametersError" if presigned else "AuthorizationHeaderMalformed"
        raise Refused(code, error.message, 400) from None
    check_scope(claimed, presigned=presigned)
    _check_time(signed_at, lifetime, now)
    unsigned = [name for name in received.must_be_signed if name not in claimed.signed_headers]
    if unsigned:
        raise Refused(
            "AccessDenied",
            f"There were headers present in the request which were not signed: {unsigned[0][:80]}",
        )
    credentials = find(claimed.access_key_id)
    if credentials is None:
        raise Refused(*UNKNOWN_KEY)
    if received.has_session_token:
        raise Refused(*SESSION)
    payload = _payload(received, presigned=presigned)
    if not is_signed_by(credentials, claimed, received, payload):
        raise Refused(*MISMATCH)
    return Signed(claimed, credentials, payload)


def check_scope(claimed: Authorization, *, presigned: bool) -> None:
    """Check that a signature is made for S3, on the day that its date names.

    Raises:
        Refused: if it is not.
    """
    scope = (claimed.algorithm, claimed.service, claimed.terminator, claimed.day)
    if scope != (ALGORITHM, SERVICE, TERMINATOR, claimed.date[:8]) or not claimed.region:
        code = "AuthorizationQueryParametersError" if presigned else "AuthorizationHeaderMalformed"
        raise Refused(
            code,
            f"The signature must be {ALGORITHM} with a credential of the form"
            f" KEY/{claimed.date[:8]}/REGION/{SERVICE}/{TERMINATOR}.",
            400,
        )


def _check_time(signed_at: datetime, lifetime: timedelta | None, now: datetime) -> None:
    if lifetime is None:
        if abs(now - signed_at) > _SKEW:
            raise Refused(
                "RequestTimeTooSkewed",
                "The difference between the request time and the current time is too large.",
            )
    elif signed_at > now + _SKEW:
        raise Refused("AccessDenied", "Request is not valid yet")
    elif now > signed_at + lifetime:
        raise Refused("AccessDenied", "Request has expired")


def _payload(received: Received, *, presigned: bool) -> str:
    given = list(received.headers.get(_HEADER, ()))
    if presigned:
        given += [value for name, value in received.query if name.lower() == _HEADER]
        given = given or [UNSIGNED_PAYLOAD]
    elif not given:
        raise Refused("InvalidRequest", f"Missing required header for this request: {_HEADER}", 400)
    allowed = (UNSIGNED_PAYLOAD, *(() if presigned else (UNSIGNED_CHUNKS, *SIGNED_CHUNKS)))
    if len(set(given)) != 1 or not (given[0] in allowed or _DIGEST.fullmatch(given[0])):
        raise Refused(
            "InvalidArgument",
            f"{_HEADER} must be {', '.join(allowed)} or a valid sha256 value.",
            400,
        )
    return given[0]
