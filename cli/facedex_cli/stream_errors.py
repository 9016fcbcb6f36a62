"""Why a stream cannot be pushed or watched; each message is one sentence for its user."""

from __future__ import annotations


class StreamError(Exception):
    """It cannot go on, and trying again would not help."""


class SourceLost(Exception):
    """A camera does not answer, or no longer; it may come back."""


class ServiceLost(Exception):
    """The service does not answer, or has ended the session; it may take another one."""
