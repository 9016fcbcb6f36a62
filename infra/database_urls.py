"""Connection strings of a user's own database: what the setting ``database_url`` may be."""

from __future__ import annotations

import re
from typing import Annotated, Final

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from pydantic import AfterValidator

# Mozilla's list of public authorities in the functions, which the layer contains with botocore.
PUBLIC_AUTHORITIES: Final = "/opt/python/botocore/cacert.pem"

_PARTS: Final = {
    "user": r"[A-Za-z_][\w.-]{0,62}",
    "host": r"[A-Za-z0-9.:-]{1,255}",
    "dbname": r"[\w.-]{1,63}",
}
# All that a query may set. Files and services of libpq do not exist where the functions run.
_OPTIONS: Final = {"sslmode": r"verify-full", "channel_binding": r"disable|prefer|require"}
# Options of libpq that are, or lead to, a password.
_SECRETS: Final = {"password", "passfile", "sslpassword"}
_PORT: Final = "5432"
_LAST_PORT: Final = 65_535


def parts_of(url: str) -> dict[str, str]:
    """Return user, host, port, dbname and options of a connection string."""
    given = {name: str(value) for name, value in conninfo_to_dict(url).items()}
    return {"port": _PORT, **given}


def _check(value: str) -> str:
    # No message contains the value, which may have a password in it.
    if not value:
        return value
    try:
        parts = parts_of(value)
    except ProgrammingError:
        parts = {}
    if _SECRETS & set(parts):
        raise ValueError(
            "must have no password, which the template would show; write it to a secret of Secrets"
            " Manager, and set database_auth=password and database_secret."
        )
    wanted = {**_PARTS, "port": r"\d{1,5}"}
    has_form = (
        re.match(r"postgres(ql)?://", value)
        and all(re.fullmatch(pattern, parts.get(name, "")) for name, pattern in wanted.items())
        and 0 < int(parts["port"]) <= _LAST_PORT
    )
    if not has_form:
        raise ValueError(
            "must name one host, a role and a database, like"
            " postgresql://facedex@database.example.com:5432/faces."
        )
    for name, option in parts.items():
        if name in wanted:
            continue
        if name not in _OPTIONS:
            raise ValueError(f"must not set {name}; it may set {' and '.join(_OPTIONS)}.")
        if not re.fullmatch(_OPTIONS[name], option):
            raise ValueError(
                f"must not set {name} to another value than {_OPTIONS[name].replace('|', ', ')}."
            )
    return value


DatabaseUrl = Annotated[str, AfterValidator(_check)]
