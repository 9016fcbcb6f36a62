"""ExternalImageIds from the names of photos.

An ExternalImageId has 1 to 255 of ``a-z A-Z 0-9 _ . - :``. Names are escaped as in a URL, with
``:`` in place of ``%``: ``Zoë Lee`` becomes ``Zo:C3:AB:20Lee``. So different names never become
the same id, and ``urllib.parse.unquote(id.replace(":", "%"))`` gives a name back. Only an id that
would be too long is cut, and ends with a hash of the whole.
"""

from __future__ import annotations

import unicodedata
from enum import StrEnum
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import quote_from_bytes

_LONGEST: Final = 255
_HASH: Final = 32  # hexadecimal digits: 128 bits


class Naming(StrEnum):
    """What a photo is called by.

    ``stem``: its file name without the ending. ``path``: its path below what is imported, with
    the ending. ``folder``: the folder that it is in, for a folder per person.
    """

    STEM = "stem"
    PATH = "path"
    FOLDER = "folder"


def external_image_id(naming: Naming, relative: str, root: str) -> str:
    """The ExternalImageId of a photo.

    Args:
        naming: what it is called by.
        relative: the photo's path below what is imported, with slashes.
        root: name of what is imported, for a photo that is in no folder below it.
    """
    path = PurePosixPath(relative)
    if naming is Naming.STEM:
        return escape(path.stem)
    if naming is Naming.PATH:
        return escape(relative)
    return escape(path.parent.name or root)


def escape(name: str) -> str:
    """A name as a valid ExternalImageId.

    Names that Unicode holds to be the same (``ë`` as one character or as two) become one id.
    Bytes of a file name that are no UTF-8 are kept as what they are.
    """
    whole = unicodedata.normalize("NFC", name).encode("utf-8", "surrogateescape")
    # The one character that a URL leaves alone and an ExternalImageId may not have.
    escaped = quote_from_bytes(whole, safe="").replace("~", "%7E").replace("%", ":")
    if len(escaped) <= _LONGEST:
        return escaped
    return f"{escaped[: _LONGEST - _HASH - 1]}-{sha256(whole).hexdigest()[:_HASH]}"
