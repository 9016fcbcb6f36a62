"""Why connections to the database fail, in sentences for the person who deploys."""

from __future__ import annotations

import re
from typing import Final

import psycopg

# What libpq and Postgres report when waiting does not help. Neither gives a code.
_LASTING: Final = {
    "certificate verify failed": "Its certificate is not signed by a trusted authority.",
    "does not match host name": "Its certificate is for another host name.",
    "does not support SSL": "It does not accept encrypted connections.",
    "root certificate file": "The file of trusted authorities cannot be read.",
    "password authentication failed": "It refuses the role's password.",
    "no password supplied": "It requires a password, and there is none.",
    "no pg_hba.conf entry": "Its pg_hba.conf does not admit the role from this address.",
    "database .* does not exist": "It has no such database.",
    "role .* does not exist": "It has no such role.",
    "not permitted to log in": "The role must not log in.",
    "permission denied for database": "The role must not connect to that database.",
}

# What Postgres itself answers while it starts or stops.
_BUSY: Final = "starting up|shutting down|recovery mode|not yet accepting connections"


def reason(error: psycopg.OperationalError) -> str:
    """Return the reason of a failed connection, as one line."""
    return " ".join(str(error).split())


def lasting_reason(error: psycopg.OperationalError) -> str | None:
    """Return the reason of a failed connection if another attempt would fail as well.

    Returns:
        None if the database may still be starting.
    """
    for pattern, sentence in _LASTING.items():
        if re.search(pattern, str(error)):
            return f"The database refuses the connection. {sentence} ({reason(error)})"
    return None


def is_refusal(error: psycopg.OperationalError) -> bool:
    """Return whether a connection failed because Postgres, which is running, refused it."""
    text = str(error)
    refused = "FATAL:" in text and not re.search(_BUSY, text)
    return refused or lasting_reason(error) is not None
