"""Repetition of work whose collection changes to another model meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from facedex.store.errors import ModelMismatch

Result = TypeVar("Result")


def with_current_model(work: Callable[[], Result]) -> Result:
    """Do work on a collection, and repeat it once if the collection changed to another model.

    Args:
        work: reads the collection and uses its pack. When it raises ModelMismatch, it has changed
            nothing.

    Returns:
        The result of the work.

    Raises:
        ModelMismatch: the collection changed twice.
        Exception: what the work raises.
    """
    try:
        return work()
    except ModelMismatch:
        return work()
