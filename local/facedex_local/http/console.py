"""The console: pages in the browser that are a client of the API, as any other client."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

import orjson

from facedex import __version__
from facedex.api.media_types import JSON
from facedex.settings import Auth
from facedex_local import console as files
from facedex_local.http.gateway import Answer, Environ, raw_path
from facedex_local.http.routes import signed_for
from facedex_models.manifests import ATTRIBUTES, described, packs

_PATH: Final = "/console"
_FOLDER: Final = Path(files.__file__).parent
_TYPES: Final[Mapping[str, str]] = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
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
_HEADERS: Final = (
    ("Content-Security-Policy", _POLICY),
    ("Permissions-Policy", "camera=(self), microphone=(), geolocation=()"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
)
# The name of a script or style sheet changes with its content.
_FOREVER: Final = ("Cache-Control", "public, max-age=31536000, immutable")
_NOT_KEPT: Final = ("Cache-Control", "no-cache")


class Console:
    """The pages under /console."""

    def __init__(self, *, auth: Auth, region: str) -> None:
        """Create the pages.

        Args:
            auth: the authentication mode, by which the console knows whether to ask for a key.
            region: the region of a request that names none.
        """
        self._config = orjson.dumps(
            {
                "auth": auth.value,
                "region": region,
                "version": __version__,
                "machine": True,
                "packs": {name: described(name).terms for name in (*packs(), ATTRIBUTES)},
            }
        )

    def find(self, environ: Environ) -> Answer | None:
        """Return the page at a request's path, or None if there is none.

        A signed request is never for a page: it could be for an object in a bucket "console".
        """
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD") or signed_for(environ):
            return None
        path = raw_path(environ)
        if path == _PATH:
            # The files' addresses are relative to the page's.
            return Answer(308, [("Location", f"{_PATH}/")], b"")
        folder, _, name = path.rpartition("/")
        if folder != _PATH:
            return None
        if name == "config.json":
            return Answer(200, [("Content-Type", JSON), _NOT_KEPT, *_HEADERS], self._config)
        return _file(name or "index.html")


def _file(name: str) -> Answer | None:
    # A set of names, so that no path of a request reaches the file system.
    if name not in _names():
        return None
    path = _FOLDER / name
    kept = _FOREVER if path.suffix in (".js", ".css") else _NOT_KEPT
    headers = [("Content-Type", _TYPES[path.suffix]), kept, *_HEADERS]
    return Answer(200, headers, path.read_bytes())


@cache
def _names() -> frozenset[str]:
    return frozenset(each.name for each in _FOLDER.iterdir() if each.suffix in _TYPES)
