"""A web server on a real socket that serves a few files, and misbehaves on request."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Answer:
    """The response to one request; correct by default."""

    status: int | None = None
    redirect: str | None = None
    ignores_range: bool = False
    shifts_range: bool = False
    hides_length: bool = False
    body: bytes | None = None  # to send instead of the file
    cut_after: int | None = None  # bytes after which the connection ends
    stall_after: int | None = None  # bytes after which nothing is sent until `released`


@dataclass
class FileServer:
    """The served files, the received requests, and the responses to the next requests."""

    files: dict[str, bytes]
    url: str = ""
    script: list[Answer] = field(default_factory=list)
    asked: list[tuple[str, str | None]] = field(default_factory=list)  # path, Range
    stalled: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[FileServer]:
    state = FileServer(files)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with suppress(
                ConnectionError
            ):  # a client may disconnect before the end of the response
                _answer(self, state)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield state
        finally:
            state.released.set()
            server.shutdown()
            thread.join()


def _answer(request: BaseHTTPRequestHandler, state: FileServer) -> None:
    wanted = request.headers.get("Range")
    state.asked.append((request.path, wanted))
    answer = state.script.pop(0) if state.script else Answer()
    content = state.files.get(request.path) if answer.body is None else answer.body
    if answer.redirect:
        request.send_response(302)
        request.send_header("Location", answer.redirect)
        request.end_headers()
        return
    if answer.status or content is None:
        request.send_response(answer.status or 404)
        request.send_header("Content-Length", "0")
        request.end_headers()
        return
    start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) if wanted else 0  # type: ignore[index]
    if answer.ignores_range or not wanted:
        start = 0
        request.send_response(200)
    elif start >= len(content):
        request.send_response(416)
        request.send_header("Content-Length", "0")
        request.end_headers()
        return
    else:
        start += 1 if answer.shifts_range else 0
        request.send_response(206)
        request.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
    rest = content[start:]
    if not answer.hides_length:
        request.send_header("Content-Length", str(len(rest)))
    request.end_headers()
    if answer.stall_after is not None:
        request.wfile.write(rest[: answer.stall_after])
        request.wfile.flush()
        state.stalled.set()
        state.released.wait(60)
    else:
        request.wfile.write(rest[: answer.cut_after])
