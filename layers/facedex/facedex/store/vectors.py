"""Conversion of vectors for Postgres."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

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


def to_array(numbers: NDArray[np.float64]) -> str:
    """Return (n,) numbers as a literal of Postgres's ``float8[]``, without loss."""
    listed = orjson.dumps(numbers, option=orjson.OPT_SERIALIZE_NUMPY).decode()
    return f"{{{listed[1:-1]}}}"


def from_binary(sent: Sequence[bytes]) -> NDArray[np.float32]:
    """Return (n, d) vectors in Postgres's binary format, as ``halfvec_send`` writes them."""
    import numpy as np

    if not sent:
        return np.empty((0, 0), np.float32)
    return from_table(np.frombuffer(b"".join(sent), np.uint8).reshape(len(sent), -1))


def from_table(table: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return (n, d) vectors, given as the rows of bytes that ``halfvec_send`` writes."""
    import numpy as np

    return halves_from_table(table).astype(np.float32)


def halves_from_table(
    table: NDArray[np.uint8], order: Literal[">", "="] = ">"
) -> NDArray[np.float16]:
    """Return (n, d) vectors, given as the rows of bytes that ``halfvec_send`` writes.

    Each has its dimension and an unused number, of two bytes each, and then its halves.

    Args:
        order: of the bytes of a number: ">" as sent, "=" as in the memory of this machine.

    Raises:
        ValueError: if the vectors have different dimensions.
    """
    import numpy as np

    numbers = table[:, 4:].view(f"{order}u2").astype(np.uint16, copy=False)
    dimensions = table[:, :2].copy().view(f"{order}u2")
    if (dimensions != numbers.shape[1]).any():
        raise ValueError("The vectors have different dimensions.")
    return numbers.view(np.float16)
