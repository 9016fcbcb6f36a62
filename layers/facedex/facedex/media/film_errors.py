"""What can be wrong with a film."""

from __future__ import annotations


class FilmError(ValueError):
    """The film cannot be analysed, however often one tries.

    The message is one sentence that says why, fit for the StatusMessage of a job.
    """
