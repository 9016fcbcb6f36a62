"""Reduction of photos that are too large for a request."""

from __future__ import annotations

import io
from typing import Final

from PIL import Image

from facedex.vision.images import LONGEST_SIDE, MAX_PIXELS, decode, fits
from facedex.vision.vision_errors import InvalidImage
from facedex_cli.importing.import_errors import TooLarge

_MOST_BYTES: Final = 5 * 1024 * 1024  # of an image in a request

# The server reduces a photo only if its longer side is at least twice LONGEST_SIDE. It therefore
# sees in a photo of the first of these sizes what it would have seen in the original.
_SIDES: Final = (2 * LONGEST_SIDE - 1, LONGEST_SIDE)
_QUALITIES: Final = (95, 85, 70)


def is_accepted(data: bytes) -> bool:
    """Return whether the server accepts a photo of that size; it explains damage itself."""
    if len(data) > _MOST_BYTES:
        return False
    try:
        return fits(data)
    except InvalidImage:
        return True


def reduce(data: bytes) -> bytes:
    """Reduce a JPEG or PNG to a JPEG of at most 5 MB, upright according to its EXIF orientation.

    The same photo always gives the same bytes, so indexing it again changes nothing.

    Raises:
        InvalidImage: if the photo is damaged.
        ImageTooLarge: if the photo has too many pixels to be decoded.
        TooLarge: if the photo exceeds 5 MB even at the lowest quality.
    """
    picture = decode(data, max_whole_pixels=MAX_PIXELS).picture
    for side in _SIDES:
        picture.thumbnail((side, side), Image.Resampling.LANCZOS)
        for quality in _QUALITIES:
            buffer = io.BytesIO()
            picture.save(buffer, "JPEG", quality=quality)
            if buffer.tell() <= _MOST_BYTES:
                return buffer.getvalue()
    raise TooLarge(f"It has {len(data)} bytes and cannot be reduced to {_MOST_BYTES}.")
