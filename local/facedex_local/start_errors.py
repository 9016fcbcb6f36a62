"""Errors of the start; each message is one sentence for the person who started the server."""

from __future__ import annotations


class StartFailed(RuntimeError):
    """The server cannot start."""


class DirectoryInUse(StartFailed):
    """Another process uses the data directory; the message names the process."""


class DirectoryUnusable(StartFailed):
    """The data directory cannot be created or written; the message gives the reason."""


class DiskFull(StartFailed):
    """The disk of the data directory has no room; the message says how much is needed."""


class PortTaken(StartFailed):
    """The server cannot listen on the address; the message gives the reason."""


class SettingsUnusable(StartFailed):
    """AWS's settings on this machine cannot be read; the message gives the reason."""


class DatabaseFailed(StartFailed):
    """Postgres could not be set up, started or reached; the message gives the reason."""


class StartCancelled(Exception):
    """The server was stopped while it was starting."""
