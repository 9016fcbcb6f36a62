"""Who is let in: no page of another site, and under access keys nobody from outside to moto.

A browser sends a simple request to any address, loopback included, for any page that asks it to,
and tells by ``Origin`` whose page it was. A page whose own name is made to point to loopback (DNS
rebinding) is of the same origin as we are, and is known by the name in ``Host``.
"""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from facedex_local.http.exchange import LISTENING
from facedex_local.http.gateway import Environ


def judge_name(environ: Environ) -> str | None:
    """Why a request is refused for the name that it calls us by, or None if it is not."""
    host = environ.get("HTTP_HOST", "")
    if not host or not _is_loopback(environ[LISTENING]) or _names_loopback(host):
        return None
    return (
        f"This server listens on loopback, where it is called localhost or {environ[LISTENING]}, "
        f"and not {host!r}; start it with --host to be reached by another name."
    )


def judge_origin(environ: Environ) -> str | None:
    """Why a request is refused for the page that sent it, or None if it is not.

    AWS SDKs send no ``Origin``; our own page of documentation sends our own.
    """
    origin = environ.get("HTTP_ORIGIN")
    if origin is None:
        return None
    host = environ.get("HTTP_HOST", "").lower()
    # A proxy that speaks TLS for us leaves the name as it is, and the scheme is its own.
    if host and origin.lower() in (f"http://{host}", f"https://{host}"):
        return None
    return (
        f"Pages of {origin!r} may not call this API from a browser; only pages of its own address "
        "may."
    )


def judge_caller(environ: Environ) -> str | None:
    """Why a request for moto is refused for where it comes from, or None if it is not."""
    caller = environ.get("REMOTE_ADDR", "")
    if _is_loopback(caller):
        return None
    return (
        "S3 and the other services beside the face API ask for no key, so under --auth keys they "
        f"answer on loopback only, and not to {caller}."
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
