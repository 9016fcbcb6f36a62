"""The passwords with which connections to the database are authenticated."""

from __future__ import annotations

from typing import Protocol


class Passwords(Protocol):
    """The passwords of a role, which may change while the process runs."""

    def current(self) -> str:
        """Return the password for the next connection."""

    def renewed(self, refused: str) -> str | None:
        """Return another password after the server has refused one; None if there is none."""
