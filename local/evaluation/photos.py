"""Photos of evaluations: of more formats than the product itself takes."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image as pillow

from facedex.vision import images
from facedex.vision.errors import InvalidImage

TAKEN = frozenset({".jpg", ".jpeg", ".png"})  # by the product, as they are
CONVERTED = frozenset({".pgm", ".ppm", ".bmp", ".tif", ".tiff", ".webp"})


def is_photo(path: Path) -> bool:
    """Return whether it is a file, no pipe or the like, whose name is that of a photo."""
    named = path.suffix.lower() in TAKEN | CONVERTED and not path.name.startswith(".")
    return named and path.is_file()


def below(folder: Path) -> list[Path]:
    """Return the photos in a folder and in all folders below it, in the order of their paths."""
    return sorted(path for path in folder.rglob("*") if is_photo(path))


def read(path: Path) -> images.Image:
    """Return a photo as the product sees it; what it does not take becomes a PNG first.

    Raises InvalidImage, ImageTooLarge or OSError.
    """
    data = path.read_bytes()
    if path.suffix.lower() in CONVERTED:
        data = _png(data)
    return images.decode(data)


def _png(data: bytes) -> bytes:
    buffer = io.BytesIO()
    try:
        with pillow.open(io.BytesIO(data)) as picture:
            picture.convert("RGB").save(buffer, "PNG", compress_level=1)
    except (OSError, ValueError, SyntaxError, pillow.DecompressionBombError) as error:
        raise InvalidImage("The file is not a whole image.") from error
    return buffer.getvalue()
