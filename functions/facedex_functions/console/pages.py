"""The files of the console, with the headers that keep other sites out of them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Final

START: Final = "index.html"
# What the files' server says about itself; see console/src/config.ts.
CONFIG: Final = "config.json"

_TYPES: Final[Mapping[str, str]] = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
# No content from other sites and no inline content. Photos that the user opens are blob: URLs, and
# so is what is recorded of the camera; the icons of the style sheet are data: URLs.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:;"
    " media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
# The name of a script or style sheet changes with its content.
_FOREVER: Final = "public, max-age=31536000, immutable"
_NOT_KEPT: Final = "no-cache"


class Files:
    """The console's files in a folder, and its configuration."""

    def __init__(self, folder: Path, config: str) -> None:
        """Create them.

        Args:
            folder: the folder of the built files.
            config: the content of config.json.
        """
        self._folder = folder
        self._config = config

    def find(self, name: str) -> tuple[dict[str, str], str] | None:
        """Return a file's headers and its text, or None if there is no such file."""
        if name == CONFIG:
            return headers(name), self._config
        # A set of names, so that no path of a request reaches the file system.
        if name not in self._names:
            return None
        return headers(name), (self._folder / name).read_text("utf-8")

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(each.name for each in self._folder.iterdir() if each.suffix in _TYPES)


def headers(name: str) -> dict[str, str]:
    """Return the headers of a file's response."""
    suffix = Path(name).suffix
    kept = _FOREVER if suffix in (".js", ".css") else _NOT_KEPT
    return {"Content-Type": _TYPES[suffix], "Cache-Control": kept, **_HEADERS}
