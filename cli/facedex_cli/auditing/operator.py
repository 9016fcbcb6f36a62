"""Rows of the audit log about changes that commands make in the database themselves."""

from __future__ import annotations

import getpass
from uuid import uuid4

from facedex.store.audit import Trail, operator_trail


def by_operator(operation: str, **members: str | None) -> Trail:
    """Return the row of a change by this command, with the name of the user who runs it.

    Args:
        operation: name of the change.
        members: further members of the row.
    """
    try:
        user: str | None = getpass.getuser()
    except (OSError, KeyError):
        user = None  # an account without a name, as in some containers
    return operator_trail(operation, str(uuid4()), caller=user, **members)
