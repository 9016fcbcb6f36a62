"""The points of MediaPipe's face mesh that the pack's network returns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

# MediaPipe's numbers, in the order of the network's output.
POINTS: Final = (
    *(0, 4, 13, 14, 17, 33, 61, 70, 82, 87, 98, 105, 107, 133, 152, 172, 234),
    *(263, 291, 300, 312, 317, 327, 334, 336, 362, 397, 454),
)


def places(numbers: Iterable[int]) -> list[int]:
    """Return the places of points in the network's output, by MediaPipe's numbers."""
    return [POINTS.index(number) for number in numbers]
