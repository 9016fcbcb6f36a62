"""Photos of evaluations, in more formats than the product itself accepts."""

from __future__ import annotations

import io
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath

import numpy as np
from PIL import Image as pillow
from PIL import ImageOps

from facedex.api.naming import is_excluded_path
from facedex.vision import images
from facedex.vision.vision_errors import InvalidImage
from facedex_cli.evaluation.evaluation_errors import EvaluationError

TAKEN = frozenset({".jpg", ".jpeg", ".png"})  # formats that the product accepts
CONVERTED = frozenset({".pgm", ".ppm", ".bmp", ".tif", ".tiff", ".webp"})


@dataclass(frozen=True)
class Packed:
    """A photo in a .zip file; it is never unpacked to disk."""

    archive: zipfile.ZipFile
    name: str

    @property
    def suffix(self) -> str:
        """The file name extension, as of a path."""
        return PurePosixPath(self.name).suffix

    def read_bytes(self) -> bytes:
        """Return the content.

        Raises:
            InvalidImage: if the photo cannot be unpacked.
        """
        try:
            return self.archive.read(self.name)
        except (
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            NotImplementedError,
            RuntimeError,
        ) as error:
            raise InvalidImage(
                "The photo cannot be unpacked; it is damaged or encrypted."
            ) from error

    def __str__(self) -> str:
        return f"{self.archive.filename}/{self.name}"


Photo = Path | Packed


def is_photo(path: Path) -> bool:
    """Return whether a path is a regular file with the name of a photo."""
    return _is_named_photo(path) and path.is_file()


def _is_named_photo(path: PurePath) -> bool:
    return path.suffix.lower() in TAKEN | CONVERTED and not path.name.startswith(".")


def below(folder: Path) -> list[Path]:
    """Return the photos in a folder and its subfolders, in the order of their paths.

    As in an import, hidden folders and system folders are left out: thumbnails in them would count
    as further photos of the same person.
    """
    return sorted(
        path
        for path in folder.rglob("*")
        if is_photo(path) and not is_excluded_path(path.relative_to(folder).as_posix())
    )


def found(source: Path) -> list[Photo]:
    """Return the photos of a folder and its subfolders or a .zip file, in the order of their paths.

    Raises:
        EvaluationError: if `source` is neither a folder nor a complete .zip file.
    """
    if source.is_dir():
        return [*below(source)]
    try:
        archive = zipfile.ZipFile(source)
    except zipfile.BadZipFile as error:
        raise EvaluationError(f"{source} is neither a folder nor a complete .zip file.") from error
    names = sorted({entry.filename for entry in archive.infolist() if not entry.is_dir()})
    return [
        Packed(archive, name)
        for name in names
        if _is_named_photo(PurePosixPath(name)) and not is_excluded_path(name)
    ]


def read(path: Photo) -> images.Image:
    """Decode a photo as the product does; formats that the product does not accept are converted.

    Raises:
        InvalidImage: if the file is not a complete image.
        ImageTooLarge: if the image has too many pixels.
        OSError: if the file cannot be read.
    """
    data = path.read_bytes()
    if path.suffix.lower() in CONVERTED:
        data = _png(data)
    return images.decode(data)


def _png(data: bytes) -> bytes:
    buffer = io.BytesIO()
    try:
        with pillow.open(io.BytesIO(data)) as opened:
            picture = ImageOps.exif_transpose(opened)  # which reads all of the file
            picture.load()
    except MemoryError:
        raise
    except Exception as error:  # damaged files make Pillow raise errors of many kinds
        raise InvalidImage("The file is not a complete image.") from error
    _convert(picture).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _convert(picture: pillow.Image) -> pillow.Image:
    """Return a picture in a mode that PNG has, with all that the product reads of it."""
    if picture.mode.startswith("I"):  # 16-bit grey, which Pillow's own conversion would clip
        greys = np.asarray(picture).astype(np.int32).clip(0, 65535)
        return pillow.fromarray(greys.astype(np.uint16))
    return picture.convert("RGBA" if picture.has_transparency_data else "RGB")
