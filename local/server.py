"""The one endpoint: our operations, health, and moto for everything else."""

from __future__ import annotations

import json
import logging
import sys
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final, Protocol

from local import gateway, pages, routes
from local.gateway import Answer, Environ
from local.listener import Application

_logger = logging.getLogger("facedex")

StartResponse = Callable[..., Any]

# 5 MB of image are 7 MB of base64 in a JSON body; more than this no valid request has.
BODY_LIMIT: Final = 8 * 1024 * 1024
# What is read and thrown away of a longer body, so that its sender comes to read the answer.
_DISCARDED: Final = 256 * 1024 * 1024
_PIECE: Final = 256 * 1024


class Health(Protocol):
    """Tells how the parts of the machine are."""

    def __call__(self) -> dict[str, str]:
        """State of each part, and "status": "ok" or "down"."""


class Server:
    """WSGI application that decides, by how a request is signed and targeted, who answers it."""

    def __init__(self, *, elsewhere: Application, health: Health, log: bool) -> None:
        """Make the endpoint.

        Args:
            elsewhere: answers what is not ours.
            health: asked by ``GET /health``.
            log: whether a line per request goes to stderr.
        """
        self._elsewhere = elsewhere
        self._health = health
        self._log = log

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        started = time.perf_counter()
        if routes.is_ours(environ):
            route = routes.find(environ)
            answer = _operate(route, environ) if route else _nothing_there(environ)
            name = route.name if route else "-"
        elif _asks_for_health(environ):
            answer, name = self._report_health(), "-"
        elif page := pages.find(environ):
            answer, name = page, "-"
        else:
            return self._pass_on(environ, start_response, started)
        self._note(environ, name, str(answer.status), started)
        length = ("Content-Length", str(len(answer.body)))
        headers = [header for header in answer.headers if header[0].lower() != "content-length"]
        start_response(answer.line, [*headers, length])
        return [answer.body]

    def _pass_on(
        self, environ: Environ, start_response: StartResponse, started: float
    ) -> Iterable[bytes]:
        def note(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            service = routes.signed_for(environ) or "-"
            self._note(environ, service, status.partition(" ")[0], started)
            return start_response(status, headers, *rest)

        return self._elsewhere(environ, note)

    def _report_health(self) -> Answer:
        report = self._health()
        status = HTTPStatus.OK if report["status"] == "ok" else HTTPStatus.SERVICE_UNAVAILABLE
        return Answer(status, [("Content-Type", "application/json")], json.dumps(report).encode())

    def _note(self, environ: Environ, name: str, status: str, started: float) -> None:
        if not self._log:
            return
        # The path alone: a query may hold a presigned URL's signature.
        line = " ".join(
            (
                time.strftime("%H:%M:%S"),
                environ["REQUEST_METHOD"],
                gateway.raw_path(environ),
                name,
                status,
                f"{(time.perf_counter() - started) * 1000:.0f} ms",
            )
        )
        print(line, file=sys.stderr, flush=True)


def _operate(route: routes.Route, environ: Environ) -> Answer:
    body = _read_body(environ)
    if body is None:
        return _error(
            environ,
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "RequestEntityTooLargeException",
            f"The request has more than {BODY_LIMIT} bytes; "
            "an image in it may have 5242880, a larger one comes from S3.",
        )
    event = gateway.request_event(
        environ, body, resource=route.resource, parameters=route.parameters
    )
    del body  # the event has it; an image's seven megabytes need not be held twice
    try:
        return gateway.invoke(
            route.handler,
            event,
            function=route.function,
            timeout=route.timeout,
            memory=route.memory,
        )
    except Exception:
        _logger.exception("The function %s failed.", route.function)
        return _error(
            environ,
            HTTPStatus.INTERNAL_SERVER_ERROR,
            "InternalServerError",
            f"The function {route.function} failed; the server's log says where.",
        )


def _read_body(environ: Environ) -> bytes | None:
    """The request's body, or None if it is over the limit (it is then read and dropped)."""
    stream = environ["wsgi.input"]
    chunked = environ.get("wsgi.input_terminated", False)
    declared = BODY_LIMIT + 1 if chunked else int(environ.get("CONTENT_LENGTH") or 0)
    if declared <= BODY_LIMIT or chunked:
        body: bytes = stream.read(declared)
        if len(body) <= BODY_LIMIT:
            return body
    left = _DISCARDED
    while left > 0 and (piece := stream.read(_PIECE)):
        left -= len(piece)
    return None


def _nothing_there(environ: Environ) -> Answer:
    # API Gateway says 403 and "Missing Authentication Token" to both, which explains neither.
    asked = f"{environ['REQUEST_METHOD']} {gateway.raw_path(environ)}"
    allowed = ", ".join(routes.methods(environ))
    if allowed:
        answer = _error(
            environ,
            HTTPStatus.METHOD_NOT_ALLOWED,
            "UnknownOperationException",
            f"There is no operation at {asked}; the path takes {allowed}.",
        )
        return replace(answer, headers=[*answer.headers, ("Allow", allowed)])
    return _error(
        environ,
        HTTPStatus.NOT_FOUND,
        "UnknownOperationException",
        f"There is no operation at {asked}.",
    )


def _error(environ: Environ, status: HTTPStatus, code: str, message: str) -> Answer:
    by_rest = gateway.raw_path(environ) not in ("", "/")
    headers = [
        ("Content-Type", "application/json" if by_rest else "application/x-amz-json-1.1"),
        ("x-amzn-RequestId", str(uuid.uuid4())),
    ]
    return Answer(status, headers, json.dumps({"__type": code, "Message": message}).encode())


def _asks_for_health(environ: Environ) -> bool:
    return (
        environ["REQUEST_METHOD"] == "GET"
        and gateway.raw_path(environ) == "/health"
        and routes.signed_for(environ) is None
    )
