"""A simulation of Lambda's Runtime API, from which a function requests its events.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final
from uuid import uuid4

_PATIENCE: Final = 120.0  # seconds for a response, on a busy machine
_PREFIX: Final = "/2018-06-01/runtime/"


class _Server(ThreadingHTTPServer):
    """A server that prints nothing about a function that was ended during a request."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class RuntimeApi:
    """The Runtime API of one function.

    Args:
        timeout: seconds that the function has for each event.

    Attributes:
        asked: when the function requested its first event; 0 before.
    """

    def __init__(self, timeout: int) -> None:
        self._events: queue.Queue[bytes | None] = queue.Queue()
        self._answers: queue.Queue[tuple[str, bytes, float]] = queue.Queue()
        self._idle = threading.Event()
        self.asked = 0.0
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                assert self.path == f"{_PREFIX}invocation/next"
                service.asked = service.asked or time.monotonic()
                service._idle.set()
                event = service._events.get()
                service._idle.clear()
                if event is None:
                    self.close_connection = True
                    return
                self._send(
                    200,
                    event,
                    {
                        "Content-Type": "application/json",
                        "Lambda-Runtime-Aws-Request-Id": str(uuid4()),
                        "Lambda-Runtime-Deadline-Ms": str(int((time.time() + timeout) * 1000)),
                        "Lambda-Runtime-Invoked-Function-Arn": (
                            "arn:aws:lambda:us-east-1:123456789012:function:facedex"
                        ),
                        "Lambda-Runtime-Trace-Id": "Root=1-00000000-000000000000000000000000",
                    },
                )

            def do_POST(self) -> None:
                answered = time.monotonic()
                body = self.rfile.read(int(self.headers["Content-Length"]))
                # invocation/ID/response, invocation/ID/error or init/error
                *where, kind = self.path.removeprefix(_PREFIX).split("/")
                service._answers.put(("init" if where == ["init"] else kind, body, answered))
                self._send(202, b"", {})

            def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.05])

    def give(self, event: object) -> None:
        """Send an event as soon as the function requests one."""
        self._events.put(json.dumps(event).encode())

    def wait_until_idle(self) -> None:
        """Wait until the function has requested another event."""
        assert self._idle.wait(_PATIENCE), "the function requests no event"

    def wait_for_answer(self, process: subprocess.Popen[bytes]) -> tuple[str, bytes, float]:
        """What the function posted: its kind, its body, and when."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            try:
                return self._answers.get(timeout=0.1)
            except queue.Empty:
                if process.poll() is not None and self._answers.empty():
                    return "exit", f"it ended with {process.returncode}".encode(), 0.0
        return "timeout", f"no answer in {_PATIENCE:.0f} s".encode(), 0.0

    def __enter__(self) -> RuntimeApi:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._events.put(None)
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
