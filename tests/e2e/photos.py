"""Photos altered before they are sent."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from PIL import Image, ImageOps

Portraits = dict[str, bytes]
Alteration = Callable[[Image.Image], Image.Image]


def jpeg(picture: Image.Image, quality: int = 92, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "JPEG", quality=quality, **options)
    return buffer.getvalue()


def altered(photo: bytes, alteration: Alteration, quality: int = 92) -> bytes:
    with Image.open(io.BytesIO(photo)) as picture:
        return jpeg(alteration(picture.convert("RGB")), quality)


def grown(picture: Image.Image, margin: int) -> Image.Image:
    return ImageOps.expand(picture, border=margin, fill="white")
