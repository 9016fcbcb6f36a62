"""The error that a builder of packages may meet."""

from __future__ import annotations


class PackageError(RuntimeError):
    """A layer or a function's code cannot be built.

    The message is one sentence for the person at the terminal: what was wrong and what to do.
    """
