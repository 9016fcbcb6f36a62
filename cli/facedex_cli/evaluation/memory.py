"""The memory that comparisons of every two photos need, which is checked before hours of work."""

from __future__ import annotations

import os
from collections.abc import Iterable
from math import inf
from typing import Final

from facedex_cli.evaluation.evaluation_errors import EvaluationError

_PER_PAIR: Final = 80  # bytes; measured: 115 for a calibration, more for an evaluation


def require(photos: Iterable[int], *, memory: float | None = None) -> None:
    """Check that this machine can compare every two photos of each set.

    Args:
        photos: the number of photos of each set.
        memory: bytes of memory; None for this machine's.

    Raises:
        EvaluationError: if it certainly cannot.
    """
    memory = _physical() if memory is None else memory
    counts = list(photos)
    needed = _PER_PAIR * sum(count * (count - 1) // 2 for count in counts)
    if needed > memory:
        raise EvaluationError(
            f"To compare every two of {sum(counts):,} photos needs more than"
            f" {needed / (1 << 30):,.1f} GiB of memory, and this machine has"
            f" {memory / (1 << 30):,.1f}; use fewer photos."
        )


def _physical() -> float:
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, OSError, ValueError):  # Windows does not say
        return inf
