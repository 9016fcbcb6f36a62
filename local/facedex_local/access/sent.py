"""Reconstruction of a request as its client signed it, from a WSGI environment.

Every byte counts: two requests that moto would read differently never look the same here.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from facedex.access.signed_request import Received
from facedex_local.http.environs import HEADERS
from facedex_local.http.gateway import Environ, raw_path

# Characters that a percent-encoded path may contain (RFC 3986, section 3.3).
_ENCODED: Final = "/%:@!$&'()*+,;=-._~"
_UNRESERVED: Final = "/-._~"
# Hosts whose first part moto reads as a bucket, and AWS's SDKs send as one.
_BUCKET_HOST: Final = re.compile(r"(?!localhost|localstack)([a-z0-9-]{3,63})\.localhost(:[0-9]+)?")


def read(environ: Environ) -> Received:
    """Return the parts of a request that a signature may cover; the body is not read."""
    path = quote(raw_path(environ).encode("latin-1"), safe=_ENCODED)
    again = quote(unquote_to_bytes(path), safe=_UNRESERVED)
    headers: dict[str, list[str]] = {}
    for name, value in environ[HEADERS]:
        headers.setdefault(_decode(name).lower(), []).append(_decode(value))
    # The host of a target in absolute form replaces the header's.
    headers["host"] = [environ.get("HTTP_HOST", "")]
    return Received(
        method=environ["REQUEST_METHOD"],
        paths=list(dict.fromkeys((path, again))),
        query=pairs(environ["QUERY_STRING"]),
        headers=headers,
        body=b"",
        is_aws_json=False,
    )


def bucket_of(host: str) -> str:
    """Return the bucket that a host such as "photos.localhost:9000" names, or ""."""
    found = _BUCKET_HOST.fullmatch(host)
    return found[1] if found else ""


def pairs(query: str) -> list[tuple[str, str]]:
    """Return the decoded names and values of a query string."""
    return [
        (_unquote(name), _unquote(value))
        for name, _, value in (each.partition("=") for each in query.split("&") if each)
    ]


def is_plain(received: Received) -> bool:
    """Return whether no header contains white space that a signature does not distinguish."""
    return not any(
        character.isspace() and character not in " \t"
        for values in received.headers.values()
        for value in values
        for character in value
    )


def _unquote(text: str) -> str:
    return _decode(unquote_to_bytes(text.replace("+", " ").encode("latin-1")))


def _decode(data: bytes) -> str:
    # Bytes that are not UTF-8 become lone surrogates, which no signature can match.
    return data.decode("utf-8", "surrogateescape")
