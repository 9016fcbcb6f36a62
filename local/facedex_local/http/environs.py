"""The WSGI environment of a request, made from its ASGI scope."""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from typing import Any, Final, TypeAlias
from urllib.parse import unquote_to_bytes

from facedex_local.http.gateway import Environ

# Key of the headers as pairs of bytes, names in lower case. WSGI's own keys do not distinguish
# "_" from "-".
HEADERS: Final = "facedex.headers"
# Key of the address that the server listens on.
LISTENING: Final = "facedex.listening"
# Prefix of S3's names of metadata, in which underscores are frequent.
_METADATA: Final = b"x-amz-meta-"
# A target in absolute form, as clients send it to a proxy.
_ABSOLUTE: Final = re.compile(rb"https?://([^/]*)(/.*)?", re.IGNORECASE | re.DOTALL)

Scope: TypeAlias = MutableMapping[str, Any]


def environ_of(scope: Scope, listening: str) -> Environ:
    """Return an ASGI request as a WSGI environment.

    Args:
        scope: the request.
        listening: the address that the server listens on.
    """
    raw_path: bytes = scope["raw_path"]
    absolute = _ABSOLUTE.fullmatch(raw_path)
    if absolute:
        raw_path = absolute[2] or b"/"
    query = scope["query_string"].decode("latin-1")
    target = raw_path.decode("latin-1") + (f"?{query}" if query else "")
    client, port = scope["client"] or ("", 0), (scope["server"] or ("", 0))[1]
    environ: Environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        # WSGI requires the path fully decoded, "%2F" included.
        "PATH_INFO": unquote_to_bytes(raw_path).decode("latin-1"),
        "QUERY_STRING": query,
        "REQUEST_URI": target,
        "RAW_URI": target,
        "REMOTE_ADDR": client[0],
        "REMOTE_PORT": str(client[1]),
        "SERVER_NAME": listening,
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        LISTENING: listening,
        HEADERS: scope["headers"],
    }
    for name, value in scope["headers"]:
        # WSGI's keys do not distinguish "_" from "-", so such a name could pose as another's.
        if b"_" in name and not name.startswith(_METADATA):
            continue
        key = name.decode("latin-1").upper().replace("-", "_")
        key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
        text = value.decode("latin-1")
        environ[key] = f"{environ[key]},{text}" if key in environ else text
    if absolute:
        # RFC 9112, section 3.2.2: the host of the target replaces the header's.
        environ["HTTP_HOST"] = absolute[1].decode("latin-1")
    return environ
