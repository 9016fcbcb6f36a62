"""The one endpoint: our operations, health, and moto for everything else."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final, Protocol

from facedex.printing import printable
from facedex_local.http import door, gateway, pages, routes
from facedex_local.http.bodies import Chunks, MalformedBody, read_length
from facedex_local.http.gateway import Answer, Environ
from facedex_local.http.listener import Application
from facedex_local.http.refusals import deny, refuse

_logger = logging.getLogger("facedex")

StartResponse = Callable[..., Any]

# CompareFaces has two images of 5 MB, which are 14 MB of base64 in a JSON body; more than this no
# valid request has.
BODY_LIMIT: Final = 15 * 1024 * 1024

# Consumers repeat it several times a second, for as long as they run.
_POLLS: Final = ("Kinesis_20131202.GetRecords",)


class Health(Protocol):
    """Tells how the parts of the machine are."""

    def __call__(self) -> dict[str, str]:
        """State of each part, and "status": "ok" or "down"."""


class Server:
    """WSGI application that decides, by how a request is signed and targeted, who answers it."""

    def __init__(
        self, *, elsewhere: Application, health: Health, log: bool, guarded: bool = False
    ) -> None:
        """Make the endpoint.

        Args:
            elsewhere: answers what is not ours.
            health: asked by ``GET /health``.
            log: whether a line per request goes to stderr.
            guarded: whether the API asks for keys, so that what asks for none stays on loopback.
        """
        self._elsewhere = elsewhere
        self._health = health
        self._log = log
        self._guarded = guarded

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        started = time.perf_counter()
        name, answer = self._answer(environ)
        if answer is None:
            return self._pass_on(environ, start_response, started)
        taken = time.perf_counter() - started
        length = ("Content-Length", str(len(answer.body)))
        headers = [header for header in answer.headers if header[0].lower() != "content-length"]
        start_response(answer.line, [*headers, length])
        return self._send(answer, environ, name, taken)

    def _send(self, answer: Answer, environ: Environ, name: str, taken: float) -> Iterator[bytes]:
        """The answer's body; its line in the log comes behind it, which nobody waits for then."""
        try:
            yield answer.body
        finally:
            self._note(environ, name, str(answer.status), taken)

    def _answer(self, environ: Environ) -> tuple[str, Answer | None]:
        """What the access log calls a request, and its answer, or None if moto has it."""
        if routes.is_ours(environ):
            route = routes.find(environ)
            name = route.name if route else "-"
            if reason := door.judge_name(environ) or door.judge_origin(environ):
                return name, deny(environ, reason)
            return name, _operate(route, environ) if route else _nothing_there(environ)
        page = self._report_health() if _asks_for_health(environ) else pages.find(environ)
        if page:
            reason = door.judge_name(environ)
            return "-", deny(environ, reason) if reason else page
        if self._guarded and (reason := door.judge_caller(environ)):
            return "-", deny(environ, reason)
        try:
            read_length(environ.get("CONTENT_LENGTH", ""))
        except MalformedBody as error:
            return "-", refuse(
                environ, HTTPStatus.BAD_REQUEST, "SerializationException", str(error)
            )
        return "-", None

    def _pass_on(
        self, environ: Environ, start_response: StartResponse, started: float
    ) -> Iterable[bytes]:
        def note(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            service, code = routes.signed_for(environ) or "-", status.partition(" ")[0]
            if not (code == "200" and environ.get("HTTP_X_AMZ_TARGET") in _POLLS):
                self._note(environ, service, code, time.perf_counter() - started)
            return start_response(status, headers, *rest)

        return self._elsewhere(environ, note)

    def _report_health(self) -> Answer:
        report = self._health()
        status = HTTPStatus.OK if report["status"] == "ok" else HTTPStatus.SERVICE_UNAVAILABLE
        return Answer(status, [("Content-Type", "application/json")], json.dumps(report).encode())

    def _note(self, environ: Environ, name: str, status: str, taken: float) -> None:
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
                f"{taken * 1000:.0f} ms",
            )
        )
        print(printable(line), file=sys.stderr, flush=True)


def _operate(route: routes.Route, environ: Environ) -> Answer:
    try:
        body = _read_body(environ)
    except MalformedBody as error:
        return refuse(environ, HTTPStatus.BAD_REQUEST, "SerializationException", str(error))
    if body is None:
        return refuse(
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
        return refuse(
            environ,
            HTTPStatus.INTERNAL_SERVER_ERROR,
            "InternalServerError",
            f"The function {route.function} failed; the server's log says where.",
        )


def _read_body(environ: Environ) -> bytes | None:
    """The request's body, or None if it is over the limit; the listener drops what is not read.

    Raises:
        MalformedBody: its length or coding is broken.
    """
    stream = environ["wsgi.input"]
    if environ.get("wsgi.input_terminated"):
        chunks: Chunks = stream
        return chunks.read_within(BODY_LIMIT)
    declared = read_length(environ.get("CONTENT_LENGTH", ""))
    if declared > BODY_LIMIT:
        return None
    body: bytes = stream.read(declared)
    return body


def _nothing_there(environ: Environ) -> Answer:
    # API Gateway says 403 and "Missing Authentication Token" to both, which explains neither.
    asked = f"{environ['REQUEST_METHOD']} {gateway.raw_path(environ)}"
    allowed = ", ".join(routes.methods(environ))
    if allowed:
        answer = refuse(
            environ,
            HTTPStatus.METHOD_NOT_ALLOWED,
            "UnknownOperationException",
            f"There is no operation at {asked}; the path takes {allowed}.",
        )
        return replace(answer, headers=[*answer.headers, ("Allow", allowed)])
    return refuse(
        environ,
        HTTPStatus.NOT_FOUND,
        "UnknownOperationException",
        f"There is no operation at {asked}.",
    )


def _asks_for_health(environ: Environ) -> bool:
    return (
        environ["REQUEST_METHOD"] in ("GET", "HEAD")
        and gateway.raw_path(environ) == "/health"
        and routes.signed_for(environ) is None
    )
