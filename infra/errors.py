"""The error that a deployment's settings may have."""

from __future__ import annotations


class SettingsError(ValueError):
    """A setting is unknown, has the wrong form, or does not go with another.

    The message is one sentence for the person at the terminal: what was wrong and what to do.
    """
