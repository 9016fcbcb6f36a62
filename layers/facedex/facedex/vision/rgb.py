"""Conversion of what Pillow has decoded to RGB: strips, transparency and 16-bit greys."""

from __future__ import annotations

from typing import Final

import numpy as np
from PIL import Image as pillow

STRIP: Final = 1_000_000  # pixels to convert at once

_TRANSPARENT: Final = "transparency"  # Pillow's name of the colour in a PNG's tRNS


def read_transparency(source: pillow.Image, depth: int) -> None:
    """Change the transparent colour of a loaded PNG to eight bits, as its pixels have it.

    Pillow compares the pixels' eight bits with the colour as the file has it.

    Args:
        source: the image.
        depth: bits of a channel in the file.
    """
    if source.mode in ("L", "RGB") and _TRANSPARENT in source.info:
        source.info[_TRANSPARENT] = _to_eight_bits(source.info[_TRANSPARENT], depth)


def reduce(source: pillow.Image, factor: int) -> pillow.Image:
    """Return a loaded image as RGB, on white if it is transparent, reduced by an integer factor.

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
        greys = np.asarray(source).astype(np.int32).clip(0, 65535)
        eight_bits = (greys >> 8).astype(np.uint8)
        if _TRANSPARENT in source.info:
            eight_bits[greys == source.info[_TRANSPARENT]] = 255
        return pillow.fromarray(eight_bits).convert("RGB")
    if not source.has_transparency_data:
        return source.convert("RGB")
    layered = source.convert("RGBA")
    flat = pillow.new("RGB", layered.size, "white")
    flat.paste(layered, mask=layered.getchannel("A"))
    return flat


def _to_eight_bits(colour: int | tuple[int, ...], depth: int) -> int | tuple[int, ...]:
    """Return a PNG's transparent grey or colour as its pixels have it once they are decoded."""
    if isinstance(colour, tuple):
        return tuple(channel >> max(0, depth - 8) for channel in colour)
    highest = (1 << depth) - 1
    return (colour & highest) * 255 // highest
