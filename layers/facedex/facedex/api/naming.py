"""ExternalImageIds from the names of photos, and files that are no photos by their names.

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

# Folders that operating systems and network storage (Synology, QNAP) create for thumbnails,
# deleted files and snapshots, in lower case.
_SYSTEM_FOLDERS: Final = frozenset(
    {
        "#recycle",
        "#snapshot",
        "$recycle.bin",
        "@eadir",
        "@recently-snapshot",
        "@recycle",
        "@tmp",
        "@transcode",
        "__macosx",
        "lost+found",
        "system volume information",
    }
)


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


def is_excluded(name: str, *, folder: bool = False) -> bool:
    """Return whether a file or a folder is hidden, or a folder that a system creates."""
    return name.startswith(".") or (folder and name.lower() in _SYSTEM_FOLDERS)


def is_excluded_path(relative: str) -> bool:
    """Return whether a file, or one of its folders, is excluded.

    Args:
        relative: the file's path relative to the imported folder, with slashes.
    """
    *folders, name = relative.split("/")
    return is_excluded(name) or any(is_excluded(each, folder=True) for each in folders)


def relative_key(key: str, prefix: str) -> str:
    """Return an S3 key relative to a prefix, or to its last folder if it ends within a name."""
    folder = f"{prefix}/"
    if prefix and key.startswith(folder):
        return key.removeprefix(folder)
    return key[prefix.rfind("/") + 1 :]


def root_name(bucket: str, prefix: str) -> str:
    """Return the name of the outermost folder of a prefix, or of its bucket."""
    return PurePosixPath(prefix).name or bucket
