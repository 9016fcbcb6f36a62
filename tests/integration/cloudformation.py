"""A simulation of CloudFormation, which calls a custom resource and receives the response."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

from facedex_functions.migrate.handler import lambda_handler as migrate
from facedex_local.http.gateway import Context

_EVENT = Path(__file__).parents[2] / "events" / "migrate.json"


class CloudFormation:
    """The caller of the custom resources of the function ``migrate``.

    Args:
        server: receives the responses, by :class:`Answers`.
    """

    def __init__(self, server: HTTPServer) -> None:
        self._address = f"http://127.0.0.1:{server.server_port}/answer?X-Amz-Signature=secret"

    def ask(self, kind: str, context: Context | None = None) -> dict[str, Any]:
        """Return the response to a request about the schema."""
        return self._ask(kind, {}, "schema", context)

    def ask_to_wake(self, kind: str) -> dict[str, Any]:
        """Return the response to a request to wake the database."""
        return self._ask(kind, {"ResourceProperties": {"Action": "wake"}}, "wake", None)

    def _ask(
        self, kind: str, more: dict[str, Any], identifier: str, context: Context | None
    ) -> dict[str, Any]:
        event = {**json.loads(_EVENT.read_text()), **more}
        Answers.taken.clear()
        migrate({**event, "RequestType": kind, "ResponseURL": self._address}, context)
        (answer,) = Answers.taken
        assert answer["content-type"] == ""
        document: dict[str, Any] = json.loads(answer["body"])
        assert document["PhysicalResourceId"] == identifier
        assert document["LogicalResourceId"] == event["LogicalResourceId"]
        return document


class Answers(BaseHTTPRequestHandler):
    """Receives the responses, as S3 does behind the URL of a request."""

    taken: ClassVar[list[dict[str, str]]] = []

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.taken.append({"content-type": self.headers["Content-Type"], "body": body})
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass
