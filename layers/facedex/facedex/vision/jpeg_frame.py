"""The header of a JPEG's frame and of its scans: which coefficients of the picture they hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from facedex.vision.vision_errors import InvalidImage

# ITU-T T.81, table B.1: start of a frame by its coding.
_SEQUENTIAL: Final = frozenset({0xC0, 0xC1, 0xC9})
_PROGRESSIVE: Final = frozenset({0xC2, 0xCA})
_COMPONENTS: Final = (1, 3, 4)
_COEFFICIENTS: Final = 64
_MOST_SAMPLES: Final = 4  # sampling factors are 1 to 4

_DAMAGED: Final = "The JPEG image is damaged or truncated; send a complete file."


@dataclass(frozen=True, slots=True)
class Scan:
    """A scan's coefficients: ``first`` to ``last`` of these components, down to bit ``low``."""

    components: tuple[int, ...]
    first: int
    last: int
    low: int


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture's size and coding.

    Attributes:
        width, height: pixels.
        progressive: whether the scans refine the picture.
        components: identifiers of the colour channels.
        sampling: horizontal and vertical sampling factors of each component.
    """

    width: int
    height: int
    progressive: bool
    components: tuple[int, ...]
    sampling: tuple[tuple[int, int], ...]

    def is_covered(self, scans: Sequence[Scan], *, fully: bool) -> bool:
        """Return whether scans have a value for every pixel of every component.

        Args:
            scans: the scans so far.
            fully: whether the details must be there, too, to the last bit.
        """
        if not self.progressive:
            return {part for scan in scans for part in scan.components} >= set(self.components)
        lowest = {part: [_COEFFICIENTS] * _COEFFICIENTS for part in self.components}
        for scan in scans:
            for part in scan.components:
                wanted = slice(scan.first, scan.last + 1)
                lowest[part][wanted] = [scan.low] * len(lowest[part][wanted])
        if fully:
            return not any(low for bits in lowest.values() for low in bits)
        return all(bits[0] < _COEFFICIENTS for bits in lowest.values())


def read_frame(kind: int, content: bytes) -> Frame:
    """Read the start of a frame.

    Args:
        kind: the second byte of its marker.
        content: the segment after its length.

    Raises:
        InvalidImage: if it is damaged, or no browser shows such pictures.
    """
    if len(content) < 6 or len(content) < 6 + 3 * content[5]:
        raise InvalidImage(_DAMAGED)
    depth, count = content[0], content[5]
    if kind not in _SEQUENTIAL | _PROGRESSIVE or depth != 8 or count not in _COMPONENTS:
        raise InvalidImage(
            "The JPEG image is lossless, hierarchical, or not of 8 bits in 1, 3 or 4 channels; save"
            " it as a baseline or progressive JPEG."
        )
    height, width = int.from_bytes(content[1:3], "big"), int.from_bytes(content[3:5], "big")
    parts = [content[place : place + 3] for place in range(6, 6 + 3 * count, 3)]
    sampling = tuple((part[1] >> 4, part[1] & 15) for part in parts)
    if not width or not height or not all(1 <= n <= _MOST_SAMPLES for s in sampling for n in s):
        raise InvalidImage(_DAMAGED)
    return Frame(width, height, kind in _PROGRESSIVE, tuple(part[0] for part in parts), sampling)


def read_scan(frame: Frame, content: bytes) -> Scan:
    """Read the start of a scan.

    Raises:
        InvalidImage: if it is damaged.
    """
    count = content[0] if content else 0
    end = 1 + 2 * count
    if not count or len(content) < end + 3:
        raise InvalidImage(_DAMAGED)
    components = tuple(content[1:end:2])
    first, last, bits = content[end : end + 3]
    banded = first <= last < _COEFFICIENTS or not frame.progressive
    if not banded or not set(components) <= set(frame.components):
        raise InvalidImage(_DAMAGED)
    return Scan(components, first, last, bits & 15)
