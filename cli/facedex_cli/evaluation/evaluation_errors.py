"""What can go wrong with an evaluation."""

from __future__ import annotations


class EvaluationError(RuntimeError):
    """The photos or the pairs cannot be evaluated. The message is for the person who asked."""
