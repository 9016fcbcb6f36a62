"""Repetition of work during which the collection changes to another model."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from facedex.store.store_errors import ModelMismatch

Result = TypeVar("Result")


def with_current_model(work: Callable[[], Result]) -> Result:
    """Do work on a collection, and repeat it once if the collection changed to another model.

    Args:
        work: reads the collection and uses its pack. If it raises ModelMismatch, it must not have
            changed anything.

    Returns:
        The result of the work.

    Raises:
        ModelMismatch: if the collection changed twice.
        Exception: if the work raises it.
    """
    try:
        return work()
    except ModelMismatch:
        return work()
