"""Pages of the server: the OpenAPI document, and Swagger UI to read it and try the API.

Only this server has them, not a deployment. Swagger UI's files come from the package
flask-swagger-ui, whose code is not used.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import orjson

from facedex import __version__
from facedex.api.media_types import JSON
from facedex.api.openapi.document import document
from facedex_local.http.gateway import Answer, Environ, raw_path
from facedex_local.http.routes import signed_for

DOCUMENT: Final = "/openapi.json"
DOCS: Final = "/docs"

_OURS: Final = Path(__file__).parent / "docs"
_TYPES: Final[Mapping[str, str]] = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
}
# A list of names, so that no path of a request reaches the file system.
_FILES: Final = ("swagger-ui-bundle.js", "swagger-ui.css", "index.css", "favicon-32x32.png")
# No content from other sites and no inline content; Swagger UI's icons are data: URLs.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def find(environ: Environ) -> Answer | None:
    """Return the page at a request's path, or None if there is none.

    A signed request is never for a page: it could be for an object in a bucket named "docs".
    """
    if environ["REQUEST_METHOD"] != "GET" or signed_for(environ):
        return None
    path = raw_path(environ)
    if path == DOCUMENT:
        return Answer(200, [("Content-Type", JSON)], _document())
    if path.rstrip("/") == DOCS:
        return _file(_OURS / "index.html")
    folder, _, name = path.rpartition("/")
    if folder != DOCS:
        return None
    if name == "start.js":
        return _file(_OURS / name)
    return _file(_swagger_ui() / name) if name in _FILES else None


@cache
def _document() -> bytes:
    return orjson.dumps(document(__version__))


def _file(path: Path) -> Answer:
    headers = [
        ("Content-Type", _TYPES[path.suffix]),
        ("Content-Security-Policy", _POLICY),
        ("X-Content-Type-Options", "nosniff"),
    ]
    return Answer(200, headers, path.read_bytes())


@cache
def _swagger_ui() -> Path:
    """Return the folder of Swagger UI's files.

    The package is located without importing it, because it needs Flask.

    Raises:
        FileNotFoundError: if the package is not installed.
    """
    package = find_spec("flask_swagger_ui")
    if package is None or package.origin is None:
        raise FileNotFoundError(
            "The package flask-swagger-ui, which contains Swagger UI, is missing."
        )
    return Path(package.origin).parent / "dist"
