"""The secret that encrypts access keys on one machine: a file in the data directory."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from facedex_local.start_errors import DirectoryUnusable

SETTING: Final = "FACEDEX_KEYS_SECRET"
_FILE: Final = "keys.secret"


def source(directory: Path, environment: Mapping[str, str] = os.environ) -> str:
    """Return the value of FACEDEX_KEYS_SECRET: the user's, or the data directory's own file.

    Raises:
        DirectoryUnusable: if the file cannot be written.
    """
    if chosen := environment.get(SETTING):
        return chosen
    return f"file:{file(directory, _FILE, setting=SETTING)}"


def file(directory: Path, name: str, *, setting: str) -> Path:
    """Return a file of the data directory with a random secret.

    A missing file is created atomically, and only its owner can read it.

    Args:
        directory: the data directory.
        name: name of the file.
        setting: the setting that takes the place of the file, for the error's message.

    Raises:
        DirectoryUnusable: if the file cannot be written.
    """
    path = directory.expanduser().absolute() / name
    try:
        if not path.exists():
            _create(path)
    except OSError as error:
        raise DirectoryUnusable(
            f"{path} cannot be written ({error.strerror or error}); set {setting} instead."
        ) from None
    return path


def _create(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")  # mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(f"{secrets.token_urlsafe(32)}\n")
        # Unlike a rename, a link does not replace a file that another process has just created.
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        Path(draft).unlink()
