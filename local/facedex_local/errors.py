"""Why the product cannot start here; each message is one sentence for the person who started it."""

from __future__ import annotations


class StartFailed(RuntimeError):
    """The product cannot start."""


class DirectoryInUse(StartFailed):
    """Another process works on the data directory; the message names it."""


class DirectoryUnusable(StartFailed):
    """The data directory cannot be made or written; the message says why."""


class PortTaken(StartFailed):
    """The address cannot be listened on; the message says why."""


class DatabaseFailed(StartFailed):
    """Postgres could not be set up, started or reached; the message says why."""


class StartCancelled(Exception):
    """The product was asked to stop while it was starting."""
