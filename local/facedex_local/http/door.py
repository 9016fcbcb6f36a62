"""Checks that reject requests from web pages of other sites.

A page of any site can make the browser send a simple request to any address, loopback included.
The header ``Origin`` then contains the page's site. A site that points its own name to a loopback
address (DNS rebinding) has the same origin as this server; it is recognised by the name in
``Host``.
"""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from facedex_local.http.exchange import LISTENING
from facedex_local.http.gateway import Environ


def judge_name(environ: Environ) -> str | None:
    """Return why the name in ``Host`` makes a request unacceptable, or None if it does not."""
    host = environ.get("HTTP_HOST", "")
    if not host or not _is_loopback(environ[LISTENING]) or _names_loopback(host):
        return None
    return (
        f"This server listens on loopback and answers to the names localhost and "
        f"{environ[LISTENING]}, not {host!r}; start it with --host to use another name."
    )


def judge_origin(environ: Environ) -> str | None:
    """Return why the page that sent a request may not send it, or None if it may.

    AWS SDKs send no ``Origin``. This server's documentation page sends this server's address.
    """
    origin = environ.get("HTTP_ORIGIN")
    if origin is None:
        return None
    host = environ.get("HTTP_HOST", "").lower()
    # A proxy that terminates TLS keeps the name, but the page's scheme is https.
    if host and origin.lower() in (f"http://{host}", f"https://{host}"):
        return None
    return (
        f"Pages of {origin!r} may not call this API from a browser; only pages that this server "
        "sends may."
    )


def _names_loopback(host: str) -> bool:
    try:
        name = (urlsplit(f"//{host}").hostname or "").removesuffix(".")
    except ValueError:
        return False
    return name == "localhost" or name.endswith(".localhost") or _is_loopback(name)


def _is_loopback(address: str) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    return found.is_loopback
