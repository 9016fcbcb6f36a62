"""Errors of pushing and watching a stream; each message is one sentence for the user."""

from __future__ import annotations


class StreamError(Exception):
    """The command cannot continue, and a retry would not help."""


class SourceLost(Exception):
    """A camera does not respond, or has stopped responding; it may recover."""


class ServiceLost(Exception):
    """The service does not respond, or has ended the session; it may accept a new one."""
