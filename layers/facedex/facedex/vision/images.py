"""Decoding of images to upright RGB pixels."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags
from PIL import Image as pillow

from facedex.vision import jpeg
from facedex.vision.vision_errors import ImageTooLarge, InvalidImage

FORMATS = {b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n": "PNG"}
LONGEST_SIDE = 1920
MAX_PIXELS = 64_000_000

# Decoding takes up to 6 bytes for each pixel, so few large images are decoded concurrently.
LARGE = 16_000_000  # pixels
LARGE_AT_ONCE = 2
STRIP = 1_000_000  # pixels to convert at once

# The transposition that turns an image of each orientation upright (EXIF 2.32, tag 0x0112).
UPRIGHT = {
    2: pillow.Transpose.FLIP_LEFT_RIGHT,
    3: pillow.Transpose.ROTATE_180,
    4: pillow.Transpose.FLIP_TOP_BOTTOM,
    5: pillow.Transpose.TRANSPOSE,
    6: pillow.Transpose.ROTATE_270,
    7: pillow.Transpose.TRANSVERSE,
    8: pillow.Transpose.ROTATE_90,
}
TURNED = frozenset({5, 6, 7, 8})  # orientations that exchange width and height

# Dedicated threads, because memory that a thread frees stays reserved for that thread: sixteen
# request threads would keep the memory of sixteen images, even if they decoded one at a time.
_large = ThreadPoolExecutor(LARGE_AT_ONCE, thread_name_prefix="large-images")


@dataclass(frozen=True)
class Image:
    """An upright image; `pixels` may be smaller than the original by a power of two."""

    pixels: NDArray[np.uint8]  # (rows, columns, 3) RGB
    width: int  # of the upright original, in pixels
    height: int


def decode(data: bytes, *, longest_side: int = LONGEST_SIDE, max_pixels: int = MAX_PIXELS) -> Image:
    """Decode a JPEG or PNG image and turn it upright by its EXIF orientation.

    The format is detected from the content. An image whose longest side is at least twice
    `longest_side` is reduced to 1/2, 1/4 or 1/8 of its size; the result's longest side stays at or
    above `longest_side`. Transparent pixels become white, the background for which cropped
    portraits are made. At most two images above 16 megapixels are decoded concurrently; others
    wait.

    Args:
        data: the file's content.
        longest_side: pixels below which the longest side is never reduced.
        max_pixels: maximum size; checked against the header before decoding.

    Raises:
        InvalidImage: if the data is not a complete JPEG or PNG, or is a JPEG with more scans than
            an encoder produces.
        ImageTooLarge: if the image has more than `max_pixels`.
    """
    kind = next((name for magic, name in FORMATS.items() if data.startswith(magic)), None)
    if kind is None:
        raise InvalidImage("The image is neither JPEG nor PNG; send one of these formats.")
    try:
        return _decode(data, kind, longest_side, max_pixels)
    except (ImageTooLarge, InvalidImage):
        raise
    except (pillow.DecompressionBombError, pillow.DecompressionBombWarning) as error:
        raise ImageTooLarge(f"The image is too large; send at most {max_pixels} pixels.") from error
    except Exception as error:  # damaged files make Pillow raise almost anything
        raise InvalidImage(
            f"The {kind} image is damaged or truncated; send a complete file."
        ) from error


def _decode(data: bytes, kind: str, longest_side: int, max_pixels: int) -> Image:
    # Checked before Pillow opens the file, as Pillow is slow with many small segments.
    scans = jpeg.count_scans(data) if kind == "JPEG" else 1
    with pillow.open(io.BytesIO(data), formats=(kind,)) as source:
        width, height = source.size
        if width * height > max_pixels:
            raise ImageTooLarge(
                f"The image has {width} x {height} pixels; send at most {max_pixels} pixels."
            )
        jpeg.check_scans(scans, width, height)
        reduction = next((n for n in (8, 4, 2) if max(width, height) // n >= longest_side), 1)
        if reduction > 1:
            source.draft(None, (max(1, width // reduction), max(1, height // reduction)))
            if source.size != (width, height):
                reduction = 1  # the JPEG decoder reduces the image
        if width * height > LARGE:
            pixels, orientation = _large.submit(_upright, source, reduction).result()
        else:
            pixels, orientation = _upright(source, reduction)
    if orientation in TURNED:
        width, height = height, width
    return Image(pixels=pixels, width=width, height=height)


def _upright(source: pillow.Image, reduction: int) -> tuple[NDArray[np.uint8], int]:
    """Decode and close the image; return its upright pixels (rows, columns, 3) and orientation."""
    source.load()
    orientation = _orientation(source)
    picture = _reduce(source, reduction)
    if orientation in UPRIGHT:
        picture = picture.transpose(UPRIGHT[orientation])
    pixels = np.asarray(picture)
    source.close()  # free the memory before this thread decodes the next image
    return pixels, orientation


def _reduce(source: pillow.Image, factor: int) -> pillow.Image:
    """Return the image as RGB, reduced by an integer factor.

    The image is converted in strips, because converting all of it at once takes several times the
    memory of its pixels.
    """
    width, height = source.size
    if source.mode == "RGB" and factor == 1:
        return _to_rgb(source)
    reduced = pillow.new("RGB", (-(-width // factor), -(-height // factor)))
    rows = factor * max(1, STRIP // (width * factor))
    for top in range(0, height, rows):
        strip = _to_rgb(source.crop((0, top, width, min(top + rows, height))))
        reduced.paste(strip.reduce(factor) if factor > 1 else strip, (0, top // factor))
    return reduced


def _to_rgb(source: pillow.Image) -> pillow.Image:
    if source.mode == "RGB" and not source.has_transparency_data:
        return source
    if source.mode.startswith("I"):  # 16-bit grey, which Pillow's own conversion would clip
        eight_bits = (np.asarray(source).astype(np.int32).clip(0, 65535) >> 8).astype(np.uint8)
        return pillow.fromarray(eight_bits).convert("RGB")
    if not source.has_transparency_data:
        return source.convert("RGB")
    layered = source.convert("RGBA")
    flat = pillow.new("RGB", layered.size, "white")
    flat.paste(layered, mask=layered.getchannel("A"))
    return flat


def _orientation(source: pillow.Image) -> int:
    """Return the EXIF orientation, or 1 if it is missing or cannot be read."""
    try:
        value = source.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # damaged metadata does not affect the pixels
        return 1
    return value if isinstance(value, int) else 1
