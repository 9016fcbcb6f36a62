"""Photos that are too large for a request, made smaller."""

from __future__ import annotations

import io
from typing import Final

from PIL import Image

from facedex.vision.images import LONGEST_SIDE, decode
from facedex_cli.importing.import_errors import TooLarge

MOST_BYTES: Final = 5 * 1024 * 1024  # of an image inside a request

# Below twice the side that it works at, the server does not reduce a photo again: what it sees
# is what it would have seen of the original.
_SIDES: Final = (2 * LONGEST_SIDE - 1, LONGEST_SIDE)
_QUALITIES: Final = (95, 85, 70)


def reduce(data: bytes) -> bytes:
    """A JPEG of at most 5 MB of a JPEG or PNG, turned upright by its EXIF orientation.

    The same photo gives the same bytes, so that indexing it again changes nothing.

    Raises:
        InvalidImage: it is damaged.
        ImageTooLarge: it has too many pixels to be decoded.
        TooLarge: no quality makes it fit.
    """
    picture = Image.fromarray(decode(data).pixels)
    for side in _SIDES:
        picture.thumbnail((side, side), Image.Resampling.LANCZOS)
        for quality in _QUALITIES:
            buffer = io.BytesIO()
            picture.save(buffer, "JPEG", quality=quality)
            if buffer.tell() <= MOST_BYTES:
                return buffer.getvalue()
    raise TooLarge(f"It has {len(data)} bytes and cannot be made to fit into {MOST_BYTES}.")
