"""The connection to the user's own Postgres, which is checked before anything uses it."""

from __future__ import annotations

from typing import Final

import psycopg
from psycopg.conninfo import conninfo_to_dict

from facedex_local.start_errors import DatabaseFailed

_SECONDS: Final = 10
_MALFORMED: Final = (
    "The value of --database-url is not the URL of a Postgres, such as"
    " postgresql://USER:PASSWORD@HOST/DATABASE; characters of the password such as @ : / % are"
    " written as in a URL (%40 for @)."
)


def check(url: str) -> str:
    """Return the connection string after connecting with it once.

    Raises:
        DatabaseFailed: if the connection fails; the message has the reason, and no password.
    """
    _require_parts(url)
    try:
        psycopg.connect(url, connect_timeout=_SECONDS).close()
    except psycopg.Error as error:
        reason = " ".join(str(error).split())
        raise DatabaseFailed(
            f"Cannot connect to the database of --database-url: {reason}"
        ) from None
    return url


def _require_parts(url: str) -> None:
    """Refuse a connection string that libpq misreads: its message would repeat the password.

    It repeats a URL whose scheme is mistyped, and a password that is not escaped becomes a part of
    the host or of the port.
    """
    try:
        parts = conninfo_to_dict(url)
    except (psycopg.Error, ValueError):  # ValueError: a zero byte, or a byte that is not UTF-8
        raise DatabaseFailed(_MALFORMED) from None
    hosts = str(parts.get("host") or "").split(",")
    ports = str(parts.get("port") or "").split(",")
    # A host that begins with "/" or "@" is the place of a socket.
    is_misread = any("@" in each and each[0] not in "/@" for each in hosts)
    if is_misread or not all(each.isdecimal() for each in ports if each):
        raise DatabaseFailed(_MALFORMED)
