"""Statistics of a network's activations, measured once on photos and shipped with its pack."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

# The lowest and the highest value of each activation, by the tensor's name. One without ranges
# stays in floats.
Ranges = Mapping[str, Sequence[float]]
# The average of each channel of an activation, by the tensor's name.
Means = Mapping[str, Sequence[float]]


class Measured(NamedTuple):
    """Statistics of a network's activations, by the tensors' names."""

    ranges: dict[str, list[float]]  # lowest and highest value
    peaks: dict[str, list[float]]  # of each channel, of those to be equalised first
    means: dict[str, list[float]]  # of each channel, of what 8-bit convolutions read
    shifts: dict[str, list[float]]  # of each channel that 8 bits give, against the one in floats


def read_measured(content: bytes) -> Measured:
    """Read a file of ranges."""
    document = json.loads(content)
    return Measured(
        document["ranges"], *(document.get(name, {}) for name in ("peaks", "means", "shifts"))
    )
