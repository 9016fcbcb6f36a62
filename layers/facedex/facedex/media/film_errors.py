"""The error of the film modules."""

from __future__ import annotations


class FilmError(ValueError):
    """The film cannot be analysed, and a retry would not help.

    The message is one sentence with the reason, for the StatusMessage of a job.
    """
