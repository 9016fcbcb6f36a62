"""Errors of a photo or of a whole import; each message is one sentence."""

from __future__ import annotations


class NotAnImage(ValueError):
    """The file is neither JPEG nor PNG by its content."""


class TooLarge(ValueError):
    """The photo is larger than a request can carry, and cannot be made smaller."""


class ImportStopped(RuntimeError):
    """Nothing further can be indexed; the message says why and what would help."""
