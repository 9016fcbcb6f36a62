"""Reconstruction of a request as its client sent it, from API Gateway's event.

Other projects have observed that in the event of a REST API ``path`` is still percent-encoded
(LocalStack's API Gateway, handlers/parse.py; middleapi/standard-server#93), query parameters are
decoded (smithy-typescript#379), and Content-Length and Connection are missing (LocalStack's,
integrations/aws.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, unquote

# Characters that a percent-encoded path may contain (RFC 3986, section 3.3).
_ENCODED: Final = "/%:@!$&'()*+,;=-._~"
_UNRESERVED: Final = "-._~"

# Headers that CloudFront, in front of edge-optimised APIs, adds after signing.
_ADDED: Final = frozenset({"x-amz-cf-id"})


@dataclass(frozen=True, slots=True)
class Received:
    """The parts of a request that a signature may cover.

    Attributes:
        method: HTTP method.
        paths: percent-encoded paths that the client may have signed. All are the same resource:
            with and without the stage, as sent and re-encoded.
        query: names and values, decoded.
        headers: every value of every header, by lower-case name.
        body: the body as it was sent.
        is_aws_json: whether the request is AWS JSON (``POST /``), not REST.
    """

    method: str
    paths: Sequence[str]
    query: Sequence[tuple[str, str]]
    headers: Mapping[str, Sequence[str]]
    body: bytes
    is_aws_json: bool

    @classmethod
    def from_event(cls, event: Mapping[str, Any], body: bytes) -> Received:
        """Read a REST proxy event."""
        headers = _headers(event)
        # SDKs for Go, Java and JavaScript sign Content-Length; API Gateway does not pass it on.
        headers.setdefault("content-length", [str(len(body))])
        query = _multiple(event, "multiValueQueryStringParameters", "queryStringParameters")
        return cls(
            method=event.get("httpMethod") or "",
            paths=_paths(event),
            query=[(name, value) for name, values in query.items() for value in values],
            headers=headers,
            body=body,
            is_aws_json=(event.get("resource") or "/") == "/",
        )

    @property
    def must_be_signed(self) -> list[str]:
        """Headers that a signature has to cover: Host and all X-Amz-* headers.

        AWS requires these: "You must include the host header (HTTP/1.1) [...] and any x-amz-*
        headers in the signature. You can optionally include other standard headers in the
        signature, such as content-type."
        https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
        AWS's SDKs for JavaScript (version 2), PHP and Android do not sign Content-Type. Nothing is
        lost: no body is valid both as a JSON document and as a photo, so a changed Content-Type
        can only make a request fail.

        A server may read "_" in a header's name as "-", as WSGI and moto do, so both count.
        """
        return ["host"] + [
            name
            for name in self.headers
            if name.replace("_", "-").startswith("x-amz-") and name not in _ADDED
        ]

    @property
    def has_session_token(self) -> bool:
        """True if the request has the session token of temporary credentials."""
        return "x-amz-security-token" in self.headers or any(
            name == "X-Amz-Security-Token" for name, _ in self.query
        )


def _headers(event: Mapping[str, Any]) -> dict[str, Sequence[str]]:
    return {
        name.lower(): values
        for name, values in _multiple(event, "multiValueHeaders", "headers").items()
    }


def _multiple(event: Mapping[str, Any], field: str, single: str) -> Mapping[str, Sequence[str]]:
    values: Mapping[str, Sequence[str]] | None = event.get(field)
    if values:
        return values
    return {name: [value] for name, value in (event.get(single) or {}).items()}


def _paths(event: Mapping[str, Any]) -> list[str]:
    sent = event.get("path") or "/"
    with_stage = (event.get("requestContext") or {}).get("path") or sent
    parameters = event.get("pathParameters") or {}
    encoded_again = re.sub(
        r"\{(\w+)\}",
        lambda placeholder: _encode(unquote(parameters.get(placeholder[1], "")), safe=_UNRESERVED),
        event.get("resource") or "/",
    )
    # `sam local` passes a decoded path, in which encoded slashes look like separators; the route
    # and its parameters restore the client's encoding.
    paths = (_encode(sent, safe=_ENCODED), _encode(with_stage, safe=_ENCODED), encoded_again)
    return list(dict.fromkeys(paths))


def _encode(text: str, *, safe: str) -> str:
    # "replace", as a JSON document can contain a lone surrogate, but a path cannot.
    return quote(text, safe=safe, errors="replace")
