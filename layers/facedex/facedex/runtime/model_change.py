"""Work that begins again when its collection changes to another model meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from facedex.store.errors import ModelMismatch

Result = TypeVar("Result")


def with_current_model(work: Callable[[], Result]) -> Result:
    """Do work on a collection; once more if the collection was moved to another model meanwhile.

    Args:
        work: looks at the collection, and then works with its pack. It changes nothing where it
            raises ModelMismatch.

    Raises:
        ModelMismatch: the collection was moved twice.
        Exception: what the work raises.
    """
    try:
        return work()
    except ModelMismatch:
        return work()
