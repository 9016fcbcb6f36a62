"""A server on this machine that returns what the template defines, and boto3 as its client."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Final, Literal

import boto3
from botocore.config import Config

REQUEST_ID: Final = "7e8a1b1e-0d1d-4a3c-9c55-1f6a2c6f3d51"


Mode = Literal["legacy", "standard", "adaptive"]


class Gateway:
    """Answers every request with one of the template's responses, or with success.

    Attributes:
        requests: number of requests that have arrived.
        refused: number of requests that are refused before the first one succeeds.
    """

    def __init__(self, status: int, headers: dict[str, str], body: str) -> None:
        self.requests = 0
        self.refused = 1_000
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                gateway.requests += 1
                fails = gateway.requests <= gateway.refused
                sent = body if fails else '{"CollectionIds": ["staff"]}'
                self.send_response(status if fails else 200)
                for name, value in headers.items() if fails else ():
                    self.send_header(name, value)
                self.send_header("x-amzn-RequestId", REQUEST_ID)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(sent.encode())))
                self.end_headers()
                self.wfile.write(sent.encode())

            def log_message(self, *_: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self.server.serve_forever, daemon=True).start()

    def client(self, mode: Mode, attempts: int) -> Any:
        session: Any = boto3.Session("testing", "testing", region_name="eu-central-1")
        return session.client(
            "rekognition",
            endpoint_url=f"http://127.0.0.1:{self.server.server_address[1]}",
            config=Config(retries={"mode": mode, "total_max_attempts": attempts}),
        )

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
