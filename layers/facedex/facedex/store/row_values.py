"""Errors of statements without the values of rows, as tracebacks in logs show their messages."""

from __future__ import annotations

from typing import Final

import psycopg

# The class of errors about a value, such as a text that is no number: their sentence quotes it.
_ABOUT_A_VALUE: Final = "22"


def forget(error: psycopg.Error) -> None:
    """Remove names and vectors from an error's message.

    Postgres adds them as details: "Failing row contains (...)", "Key (user_id)=(...) exists". The
    sentence before the details names tables, columns and constraints only.

    Args:
        error: an error of the server, or of psycopg, whose own messages contain no values.
    """
    sentence = error.diag.message_primary
    if sentence is None:
        return
    if (error.sqlstate or "").startswith(_ABOUT_A_VALUE):
        sentence = f"The database refused a value (SQLSTATE {error.sqlstate})."
    error.args = (sentence,)
