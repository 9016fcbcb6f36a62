"""Checks that reject requests for names of other sites.

A site that points its own name to a loopback address (DNS rebinding) has the same origin as this
server; it is recognised by the name in ``Host``. ``origins`` judges all other pages.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from facedex_local.http.environs import LISTENING
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


@lru_cache(maxsize=1024)
def _names_loopback(host: str) -> bool:
    try:
        name = (urlsplit(f"//{host}").hostname or "").removesuffix(".")
    except ValueError:
        return False
    return name == "localhost" or name.endswith(".localhost") or _is_loopback(name)


@lru_cache(maxsize=1024)
def _is_loopback(address: str) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    return found.is_loopback
