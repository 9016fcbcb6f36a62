"""A request as its client sent it, put together again from API Gateway's event.

What the event tells of a REST API's request, as seen at AWS by others: ``path`` is still
percent-encoded (LocalStack's api gateway, handlers/parse.py; middleapi/standard-server#93), query
parameters are decoded (smithy-typescript#379), Content-Length and Connection are left out
(LocalStack's, integrations/aws.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, unquote

# What a percent-encoded path may hold as it is (RFC 3986, section 3.3).
_ENCODED: Final = "/%:@!$&'()*+,;=-._~"
_UNRESERVED: Final = "-._~"

# CloudFront, in front of edge-optimised APIs, adds it on the way.
_ADDED: Final = frozenset({"x-amz-cf-id"})


@dataclass(frozen=True, slots=True)
class Received:
    """What a signature may cover.

    Attributes:
        paths: what may have been signed as the request's path, percent-encoded. They are one and
            the same resource: with and without the stage, as sent and encoded afresh.
        query: names and values, decoded.
        headers: every value of every header, by lower-case name.
        is_aws_json: whether it came to the front door, not to a REST route.
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
        # SDKs for Go, Java and JavaScript sign it, and API Gateway does not pass it on.
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
        """Headers that a signature has to cover: Host, Content-Type and all of X-Amz-*."""
        return ["host"] + [
            name
            for name in self.headers
            if name == "content-type" or (name.startswith("x-amz-") and name not in _ADDED)
        ]

    @property
    def has_session_token(self) -> bool:
        """Whether it carries the token of temporary credentials."""
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
    afresh = re.sub(
        r"\{(\w+)\}",
        lambda placeholder: _encode(unquote(parameters.get(placeholder[1], "")), safe=_UNRESERVED),
        event.get("resource") or "/",
    )
    # `sam local` hands on a decoded path, in which an encoded slash cannot be told from others;
    # from the route and its parameters the client's own encoding comes back.
    paths = (_encode(sent, safe=_ENCODED), _encode(with_stage, safe=_ENCODED), afresh)
    return list(dict.fromkeys(paths))


def _encode(text: str, *, safe: str) -> str:
    # "replace": a JSON document can hold a lone surrogate, a path cannot.
    return quote(text, safe=safe, errors="replace")
