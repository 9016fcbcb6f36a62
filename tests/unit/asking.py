"""Requests to the endpoint without a network."""

from __future__ import annotations

import asyncio
import io
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any

from urllib3 import HTTPHeaderDict

from facedex_local.http import server
from facedex_local.http.environs import LISTENING
from facedex_local.http.exchange import Exchange, Message
from facedex_local.http.gateway import Answer
from facedex_local.http.listener import Application


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


def answer_of(application: Application, request: dict[str, Any]) -> Answer:
    """Return an application's response to a request whose body is in its ``wsgi.input``."""
    sent: list[Message] = []

    async def receive() -> Message:
        piece = request["wsgi.input"].read(100_000)
        return {"type": "http.request", "body": piece, "more_body": bool(piece)}

    async def send(message: Message) -> None:
        sent.append(message)

    async def run() -> None:
        with ThreadPoolExecutor(1) as threads:
            await application(Exchange(request, receive, send, threads))

    asyncio.run(run())
    head, *pieces = sent
    headers = [(name.decode(), value.decode()) for name, value in head["headers"]]
    return Answer(head["status"], headers, b"".join(piece["body"] for piece in pieces))


def ask(request: dict[str, Any], **options: Any) -> tuple[str, HTTPHeaderDict, bytes]:
    """Return the endpoint's response, with a plain application in place of moto."""

    async def elsewhere(exchange: Exchange) -> None:
        await exchange.answer(Answer(200, [], b"elsewhere"))

    chosen = {"log": False, **options}
    application = server.Server(elsewhere=elsewhere, health=lambda: {"status": "ok"}, **chosen)
    answer = answer_of(application, request)
    line = f"{answer.status} {HTTPStatus(answer.status).phrase}"
    return line, HTTPHeaderDict(answer.headers), answer.body
