"""Vectors on their way to Postgres."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def to_text(vector: NDArray[np.float32]) -> str:
    """A (d,) vector as a literal of pgvector's ``halfvec``, rounded to half precision."""
    # Imported here: pgvector imports NumPy, which functions without vectors need not wait for.
    from pgvector import HalfVector

    # A JSON array is such a literal too, and costs a tenth of pgvector's own way to write one.
    return orjson.dumps(HalfVector(vector).to_numpy(), option=orjson.OPT_SERIALIZE_NUMPY).decode()
