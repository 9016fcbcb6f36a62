"""What the access keys' secrets are encrypted under on one machine: a file beside the database."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from facedex_local.errors import DirectoryUnusable

SETTING: Final = "FACEDEX_KEYS_SECRET"
_FILE: Final = "keys.secret"


def source(directory: Path, environment: Mapping[str, str] = os.environ) -> str:
    """The value of FACEDEX_KEYS_SECRET: the user's, or else the data directory's own file.

    The file is made where it is missing, whole or not at all, readable by its owner alone.

    Raises:
        DirectoryUnusable: it cannot be written.
    """
    if chosen := environment.get(SETTING):
        return chosen
    path = directory.expanduser().absolute() / _FILE
    try:
        if not path.exists():
            _make(path)
    except OSError as error:
        raise DirectoryUnusable(
            f"{path} cannot be written ({error.strerror or error}); set {SETTING} instead."
        ) from None
    return f"file:{path}"


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f"{_FILE}.")  # mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(f"{secrets.token_urlsafe(32)}\n")
        # Unlike a rename, it leaves alone what another process has just made.
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        Path(draft).unlink()
