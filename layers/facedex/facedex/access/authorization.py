"""Parsing of a request's signature, from its Authorization header or its query string."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from facedex.access.signed_request import Received
from facedex.api.errors import (
    IncompleteSignatureException,
    InvalidSignatureException,
    MissingAuthenticationTokenException,
)

UNSIGNED: Final = "Request is missing Authentication Token"

_HEADER_PARTS: Final = ("Credential", "Signature", "SignedHeaders")
_QUERY_PARTS: Final = (
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Signature",
    "X-Amz-SignedHeaders",
    "X-Amz-Date",
    "X-Amz-Expires",
)


@dataclass(frozen=True, slots=True)
class Authorization:
    """A signature and its parameters, not verified yet.

    Attributes:
        algorithm: such as AWS4-HMAC-SHA256.
        access_key_id, day, region, service, terminator: the credential's five elements.
        date: signing time, as written in the request.
        signed_headers: lower-case names of the headers that the signature covers.
        signature: in hexadecimal; excluded from ``repr`` so that it is never logged.
        expires: seconds for which a presigned URL is valid, as written; None for a header.
    """

    algorithm: str
    access_key_id: str
    day: str
    region: str
    service: str
    terminator: str
    date: str
    signed_headers: tuple[str, ...]
    signature: str = field(repr=False)
    expires: str | None


def read_authorization(received: Received) -> Authorization:
    """Parse the signature of a request.

    Raises:
        MissingAuthenticationTokenException: if the request is not signed.
        IncompleteSignatureException: if a part is missing, duplicate or malformed.
        InvalidSignatureException: if the request has two signatures.
    """
    headers = received.headers.get("authorization", ())
    presigned = any(name == "X-Amz-Algorithm" for name, _ in received.query)
    if headers and presigned:
        raise InvalidSignatureException(
            "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP"
            " header."
        )
    if presigned:
        return _from_query(received)
    if len(headers) != 1 or not headers[0].strip().startswith("AWS4-"):
        raise MissingAuthenticationTokenException(UNSIGNED)
    return _from_header(headers[0].strip(), received)


def _from_header(header: str, received: Received) -> Authorization:
    algorithm, *pairs = re.split(r"[,\s]+", header)
    parts: dict[str, str] = {}
    for pair in filter(None, pairs):
        name, equals, value = pair.partition("=")
        if not equals or name in parts:
            raise IncompleteSignatureException(
                "The Authorization header must have key=value pairs, each key once, after its"
                " algorithm."
            )
        parts[name] = value
    missing = [
        f"Authorization header requires '{name}' parameter."
        for name in _HEADER_PARTS
        if not parts.get(name)
    ]
    dates = received.headers.get("x-amz-date", ())
    if len(dates) != 1:
        missing.append("Authorization header requires existence of a 'X-Amz-Date' header.")
    if missing:
        raise IncompleteSignatureException(" ".join(missing))
    return _authorization(
        algorithm,
        parts["Credential"],
        dates[0].strip(),
        parts["SignedHeaders"],
        parts["Signature"],
        None,
    )


def _from_query(received: Received) -> Authorization:
    parts: dict[str, str] = {}
    for name, value in received.query:
        if name in _QUERY_PARTS:
            if name in parts:
                raise IncompleteSignatureException(
                    f"AWS query-string parameters must include '{name}' once."
                )
            parts[name] = value
    missing = [
        f"AWS query-string parameters must include '{name}'."
        for name in _QUERY_PARTS
        if not parts.get(name)
    ]
    if missing:
        raise IncompleteSignatureException(
            " ".join((*missing, "Re-examine the query-string parameters."))
        )
    return _authorization(
        parts["X-Amz-Algorithm"],
        parts["X-Amz-Credential"],
        parts["X-Amz-Date"],
        parts["X-Amz-SignedHeaders"],
        parts["X-Amz-Signature"],
        parts["X-Amz-Expires"],
    )


def _authorization(
    algorithm: str,
    credential: str,
    date: str,
    signed_headers: str,
    signature: str,
    expires: str | None,
) -> Authorization:
    try:
        access_key_id, day, region, service, terminator = credential.split("/")
    except ValueError:
        raise IncompleteSignatureException(
            "Credential must have exactly 5 slash-delimited elements, e.g."
            " keyid/date/region/service/term."
        ) from None
    names = tuple(dict.fromkeys(signed_headers.lower().split(";")))
    return Authorization(
        algorithm,
        access_key_id,
        day,
        region,
        service,
        terminator,
        date,
        names,
        signature,
        expires,
    )
