"""ExternalImageIds from the names of photos.

An ExternalImageId has 1 to 255 characters out of ``a-z A-Z 0-9 _ . - :``. Names are escaped as in
a URL, with ``:`` in place of ``%``: ``Zoë Lee`` becomes ``Zo:C3:AB:20Lee``. Different names
therefore have different ids, and ``urllib.parse.unquote(id.replace(":", "%"))`` returns the name.
Only an id that would be too long is truncated; it then ends with a hash of the complete name.
"""

from __future__ import annotations

import unicodedata
from enum import StrEnum
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import quote_from_bytes

_MAX_LENGTH: Final = 255
_HASH: Final = 32  # hexadecimal digits: 128 bits


class Naming(StrEnum):
    """The part of a photo's path that becomes its ExternalImageId.

    ``stem``: the file name without its extension. ``path``: the path relative to the imported
    folder, with the extension. ``folder``: the name of the photo's folder, for one folder per
    person.
    """

    STEM = "stem"
    PATH = "path"
    FOLDER = "folder"


def external_image_id(naming: Naming, relative: str, root: str) -> str:
    """Return the ExternalImageId of a photo.

    Args:
        naming: the part of the path to use.
        relative: the photo's path relative to the imported folder, with slashes.
        root: name of the imported folder, for photos directly in it.
    """
    path = PurePosixPath(relative)
    if naming is Naming.STEM:
        return escape(path.stem)
    if naming is Naming.PATH:
        return escape(relative)
    return escape(path.parent.name or root)


def escape(name: str) -> str:
    """Return a name as a valid ExternalImageId.

    Names that are equivalent in Unicode (``ë`` as one character or as two) have the same id. Bytes
    of a file name that are not valid UTF-8 are escaped unchanged.
    """
    encoded = unicodedata.normalize("NFC", name).encode("utf-8", "surrogateescape")
    # Only a tilde is left as it is in a URL and may not be in an ExternalImageId.
    escaped = quote_from_bytes(encoded, safe="").replace("~", "%7E").replace("%", ":")
    if len(escaped) <= _MAX_LENGTH:
        return escaped
    return f"{escaped[: _MAX_LENGTH - _HASH - 1]}-{sha256(encoded).hexdigest()[:_HASH]}"
