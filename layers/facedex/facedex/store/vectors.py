"""Conversion of vectors for Postgres."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def to_text(vector: NDArray[np.float32]) -> str:
    """Return a (d,) vector as a literal of pgvector's ``halfvec``, in half precision."""
    # Imported here, as pgvector imports NumPy, which functions without vectors do not need.
    from pgvector import HalfVector

    # A JSON array is also such a literal, and takes a tenth of the time of pgvector's own writer.
    return orjson.dumps(HalfVector(vector).to_numpy(), option=orjson.OPT_SERIALIZE_NUMPY).decode()
