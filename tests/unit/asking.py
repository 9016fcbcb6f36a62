"""Requests to the one endpoint as WSGI has them, without a server."""

from __future__ import annotations

import io
from typing import Any

from facedex_local.http import server
from facedex_local.http.listener import LISTENING


def environ(
    method: str = "GET", target: str = "/", body: bytes = b"", **headers: str
) -> dict[str, Any]:
    path, _, query = target.partition("?")
    named = {f"HTTP_{name.upper()}": value for name, value in headers.items()}
    if "HTTP_CONTENT_TYPE" in named:
        named["CONTENT_TYPE"] = named.pop("HTTP_CONTENT_TYPE")
    return {
        "REQUEST_METHOD": method,
        "REQUEST_URI": target,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "CONTENT_LENGTH": str(len(body)),
        "REMOTE_ADDR": "127.0.0.1",
        "SERVER_PORT": "9000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        LISTENING: "127.0.0.1",
        "wsgi.input": io.BytesIO(body),
        "wsgi.url_scheme": "http",
        **named,
    }


def ask(request: dict[str, Any], **options: Any) -> tuple[str, dict[str, str], bytes]:
    """What the one endpoint answers, moto's part played by a plain application."""
    answered: list[tuple[str, dict[str, str]]] = []

    def respond(status: str, headers: list[tuple[str, str]]) -> None:
        answered.append((status, dict(headers)))

    def elsewhere(_environ: object, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [b"elsewhere"]

    chosen = {"log": False, **options}
    application = server.Server(elsewhere=elsewhere, health=lambda: {"status": "ok"}, **chosen)
    body = b"".join(application(request, respond))
    return (*answered[0], body)
