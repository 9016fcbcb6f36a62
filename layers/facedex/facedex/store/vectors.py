"""Vectors on their way to Postgres."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def to_text(vector: NDArray[np.float32]) -> str:
    """A (d,) vector as a literal of pgvector's ``halfvec``, rounded to half precision."""
    # Imported here: pgvector imports NumPy, which functions without vectors need not wait for.
    from pgvector import HalfVector

    return HalfVector(vector).to_text()
