"""The console: pages in the browser that are a client of the API, as any other client."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import orjson

from facedex import __version__
from facedex.settings import Auth
from facedex_functions.console.pages import START, Files
from facedex_local import console as files
from facedex_local.http.gateway import Answer, Environ, raw_path
from facedex_local.http.routes import signed_for
from facedex_models.manifests import ATTRIBUTES, described, packs

_PATH: Final = "/console"
_FOLDER: Final = Path(files.__file__).parent


class Console:
    """The pages under /console."""

    def __init__(self, *, auth: Auth, region: str) -> None:
        """Create the pages.

        Args:
            auth: the authentication mode, by which the console knows whether to ask for a key.
            region: the region of a request that names none.
        """
        config = {
            "auth": auth.value,
            "region": region,
            "version": __version__,
            "machine": True,
            "packs": {name: described(name).terms for name in (*packs(), ATTRIBUTES)},
        }
        self._files = Files(_FOLDER, orjson.dumps(config).decode())

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
        found = self._files.find(name or START)
        if found is None:
            return None
        headers, text = found
        return Answer(200, list(headers.items()), text.encode())
