"""Pictures whose faces have different vectors, and copies that differ only in their bytes."""

from __future__ import annotations

import io
from collections.abc import Mapping

from PIL import Image, ImageEnhance, ImageOps

from tests.e2e.uploading import variants

_COPIES = 6


def views(portraits: Mapping[str, bytes]) -> list[list[bytes]]:
    """Return copies of several views of the portraits: plain, mirrored and dark."""
    found = []
    for portrait in portraits.values():
        plain = Image.open(io.BytesIO(portrait)).convert("RGB")
        dark = ImageEnhance.Brightness(plain).enhance(0.6)
        for picture in (plain, ImageOps.mirror(plain), dark):
            buffer = io.BytesIO()
            picture.save(buffer, "PNG")
            found.append(variants(buffer.getvalue(), _COPIES))
    return found
