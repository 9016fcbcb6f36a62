"""The errors of evaluations."""

from __future__ import annotations


class EvaluationError(RuntimeError):
    """The photos or the pairs cannot be evaluated. The message is for the user."""
