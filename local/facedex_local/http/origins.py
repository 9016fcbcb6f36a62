"""The judgement of every request by the page that sent it, and the headers that browsers obey.

A page of any site can make the browser send a simple request to any address, loopback included.
``Origin`` then contains the page's site. Requests without ``Origin``, such as those for images and
links, have ``Sec-Fetch-Site``, which a page cannot set. AWS SDKs and the AWS CLI send neither.

Everything on a port is judged alike: the face API, pages, and the stand-ins for other services. A
stand-in that stores what clients send would otherwise serve it as a page of this server's origin.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from functools import partial
from typing import Final
from urllib.parse import parse_qs, urlsplit

from facedex_local.http import door
from facedex_local.http.exchange import Exchange
from facedex_local.http.gateway import Answer, Environ
from facedex_local.http.listener import Application
from facedex_local.http.refusals import deny

Header = tuple[str, str]

# Objects are shown, but without scripts, forms or requests, and with an origin of their own.
_SANDBOX: Final = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)
_POLICY: Final = "content-security-policy"
_SNIFFING: Final = "x-content-type-options"
_EMBEDDING: Final = "cross-origin-resource-policy"
# Headers of which a response has one, and this server's; the last is added by the HTTP server.
_OURS: Final = (_POLICY, _SNIFFING, _EMBEDDING, "server")
_VARIES: Final = ("vary", "Origin, Referer")

_METHODS: Final = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"
# Names of headers, RFC 9110, separated by commas.
_NAMES: Final = re.compile(r"[\w!#$%&'*+.^`|~-]+(?: *, *[\w!#$%&'*+.^`|~-]+)*", re.ASCII)
_LONGEST: Final = "7200"  # seconds for which Chromium keeps the answer to a preflight request
_PORTS: Final = {"http": 80, "https": 443}


class Origins:
    """The origins whose pages may call this server: its own, and those that the user allows.

    Args:
        allowed: the origins of the user's own browser apps, as ``parse_origin`` returns them.
    """

    def __init__(self, allowed: Collection[str] = ()) -> None:
        self._allowed = frozenset(allowed)

    def admit(self, environ: Environ) -> Answer | None:
        """Return the refusal of a request, the answer to a preflight request, or None."""
        if reason := door.judge_name(environ) or self._judge(environ):
            return deny(environ, reason)
        if _is_preflight(environ) and environ.get("HTTP_ORIGIN") in self._allowed:
            return Answer(200, [], b"")  # ``amend`` adds the permissions
        return None

    def amend(self, environ: Environ, headers: Iterable[Header], *, theirs: bool) -> list[Header]:
        """Return a response's headers with those for browsers.

        Args:
            environ: the request.
            headers: the response's headers. Permissions for other origins are removed: only the
                user of this server gives them, not the owner of a bucket.
            theirs: whether a client chose the content, as with objects in S3.
        """
        kept = [
            (name, value)
            for name, value in headers
            if not name.lower().startswith("access-control-")
            and not (theirs and name.lower() in _OURS)
            and (name.lower(), value) != _VARIES  # of another process of this server
        ]
        present = {name.lower() for name, _ in kept}
        page = _page(environ)
        embedding = "cross-origin" if page in self._allowed else "same-origin"
        defaults = ((_POLICY, _SANDBOX), (_SNIFFING, "nosniff"), (_EMBEDDING, embedding))
        added = [header for header in defaults if header[0] not in present]
        if self._allowed:
            added.append(_VARIES)
        origin = environ.get("HTTP_ORIGIN")
        if origin in self._allowed:
            added += [
                ("Access-Control-Allow-Origin", origin),
                ("Access-Control-Expose-Headers", ", ".join(sorted({"date", *present}))),
            ]
            if _is_preflight(environ):
                added += _permissions(environ)
        return [*kept, *added]

    def _judge(self, environ: Environ) -> str | None:
        """Return why the page that sent a request may not send it, or None if it may."""
        origin = environ.get("HTTP_ORIGIN")
        if origin is not None:
            if origin in self._allowed or _is_own(origin, environ):
                return None
            return (
                f"Pages of {origin!r} may not call this server from a browser; only pages that it"
                " sends, and those of origins that it is started with (--allow-origin), may."
            )
        site = environ.get("HTTP_SEC_FETCH_SITE", "none").lower()
        if site in ("none", "same-origin") or _page(environ) in self._allowed:
            return None
        if _follows_link(environ):
            return None
        return (
            "Pages of other sites may link to what this server has, but not use it; start the"
            " server with --allow-origin to allow the pages of an origin."
        )


class Fence:
    """An application that requests reach only if they are admitted.

    Args:
        application: answers requests for services whose content clients choose.
        origins: the judgement.
    """

    def __init__(self, application: Application, origins: Origins) -> None:
        self._application = application
        self._origins = origins

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request."""
        environ = exchange.environ
        exchange.amend = partial(self._origins.amend, environ, theirs=True)
        if answer := self._origins.admit(environ):
            await exchange.answer(answer)
        else:
            await self._application(exchange)


def parse_origin(text: str) -> str:
    """Return an origin as browsers send it.

    Raises:
        ValueError: if the text is not one origin; the message is one sentence.
    """
    if text.strip() in ("*", "null"):
        raise ValueError(
            f"{text.strip()!r} would let any web page that a user of this machine visits read and"
            " change everything; name each origin, such as https://app.example."
        )
    try:
        parts = urlsplit(text.strip().lower())
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    name = parts.hostname or ""
    host = f"[{name}]" if ":" in name else name
    canonical = f"{parts.scheme}://{host}"
    if port is not None and port != _PORTS.get(parts.scheme):
        canonical += f":{port}"
    plain = not (parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc)
    if parts.scheme not in _PORTS or not re.fullmatch(r"[\w.:-]+", name, re.ASCII) or not plain:
        raise ValueError(
            f"{text!r} is not an origin: a scheme (http or https), a host and, if needed, a port,"
            " such as https://app.example or http://localhost:3000."
        )
    return canonical


def _is_own(origin: str, environ: Environ) -> bool:
    host = environ.get("HTTP_HOST", "").lower()
    name = host.rpartition(":")[0] or host
    # A name below "localhost" is that of a bucket, whose objects clients choose.
    if not host or name.rstrip(".").endswith(".localhost"):
        return False
    # A proxy that terminates TLS keeps the name, but the page's scheme is https.
    return origin.lower() in (f"http://{host}", f"https://{host}")


def _page(environ: Environ) -> str | None:
    """Return the origin of the page that sent a request, or None if it is not known."""
    if "HTTP_ORIGIN" in environ:
        return str(environ["HTTP_ORIGIN"])
    try:
        referrer = urlsplit(environ.get("HTTP_REFERER", ""))
    except ValueError:
        return None
    return f"{referrer.scheme}://{referrer.netloc}" if referrer.netloc else None


def _follows_link(environ: Environ) -> bool:
    """Return whether a request shows something to the user, and changes nothing.

    The page with the link cannot read the answer. The services with a query protocol, such as SQS,
    also accept changes as GET, with the parameter ``Action``.
    """
    return (
        environ["REQUEST_METHOD"] in ("GET", "HEAD")
        and environ.get("HTTP_SEC_FETCH_MODE") == "navigate"
        and environ.get("HTTP_SEC_FETCH_DEST") == "document"
        and "Action" not in parse_qs(environ["QUERY_STRING"], keep_blank_values=True)
    )


def _is_preflight(environ: Environ) -> bool:
    return (
        environ["REQUEST_METHOD"] == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ
    )


def _permissions(environ: Environ) -> list[Header]:
    """Return the headers that permit the request that a preflight request announces.

    Any names of headers are permitted, because SDKs add some, and S3's metadata have names that
    users choose. Credentials of the browser, such as cookies, are neither needed nor permitted.
    """
    names = environ.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS", "").strip()
    permissions = [
        ("Access-Control-Allow-Methods", _METHODS),
        ("Access-Control-Max-Age", _LONGEST),
        ("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers"),
    ]
    if _NAMES.fullmatch(names):
        permissions.append(("Access-Control-Allow-Headers", names))
    if environ.get("HTTP_ACCESS_CONTROL_REQUEST_PRIVATE_NETWORK") == "true":
        permissions.append(("Access-Control-Allow-Private-Network", "true"))
    return permissions
