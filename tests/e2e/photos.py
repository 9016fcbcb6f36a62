"""Photos altered before they are sent."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
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


def with_mirror_images(photos: Mapping[str, Path], folder: Path) -> None:
    """Make a folder for each person, with a photo and its mirror image."""
    for name, photo in photos.items():
        own = folder / name
        own.mkdir()
        shutil.copy(photo, own)
        with Image.open(photo) as picture:
            ImageOps.mirror(picture).save(own / "mirrored.jpg")
