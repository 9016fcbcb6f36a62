"""The one endpoint: our operations, health, and moto for everything else."""

from __future__ import annotations

import json
import logging
import sys
import time
from dataclasses import replace
from http import HTTPStatus
from typing import Final, Protocol

from facedex.api.media_types import JSON
from facedex.printing import printable
from facedex_local.http import door, gateway, pages, routes
from facedex_local.http.exchange import Exchange
from facedex_local.http.gateway import Answer, Environ
from facedex_local.http.listener import Application
from facedex_local.http.refusals import deny, refuse

_logger = logging.getLogger("facedex")

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
    """Decides, by how a request is signed and targeted, what answers it."""

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

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request."""
        started = time.perf_counter()
        name, answer = await self._answer(exchange)
        if answer is None:
            await self._pass_on(exchange, started)
            return
        taken = time.perf_counter() - started
        try:
            await exchange.answer(answer)
        finally:
            # After the answer, which does not wait for it then.
            self._note(exchange.environ, name, answer.status, taken)

    async def _answer(self, exchange: Exchange) -> tuple[str, Answer | None]:
        """Return what the access log calls a request, and its answer, or None if moto has it."""
        environ = exchange.environ
        if routes.is_ours(environ):
            route = routes.find(environ)
            name = route.name if route else "-"
            if reason := door.judge_name(environ) or door.judge_origin(environ):
                return name, deny(environ, reason)
            if route:
                return name, await _operate(route, exchange)
            return name, _nothing_there(environ)
        if _asks_for_health(environ):
            page: Answer | None = await exchange.run(self._report_health)
        else:
            page = pages.find(environ)
        if page:
            reason = door.judge_name(environ)
            return "-", deny(environ, reason) if reason else page
        if self._guarded and (reason := door.judge_caller(environ)):
            return "-", deny(environ, reason)
        return "-", None

    async def _pass_on(self, exchange: Exchange, started: float) -> None:
        environ = exchange.environ

        def note(status: int) -> None:
            if not (status == 200 and environ.get("HTTP_X_AMZ_TARGET") in _POLLS):
                service = routes.signed_for(environ) or "-"
                self._note(environ, service, status, time.perf_counter() - started)

        exchange.on_start = note
        await self._elsewhere(exchange)

    def _report_health(self) -> Answer:
        report = self._health()
        status = HTTPStatus.OK if report["status"] == "ok" else HTTPStatus.SERVICE_UNAVAILABLE
        return Answer(status, [("Content-Type", JSON)], json.dumps(report).encode())

    def _note(self, environ: Environ, name: str, status: int, taken: float) -> None:
        if not self._log:
            return
        # The path alone: a query may hold a presigned URL's signature.
        line = " ".join(
            (
                time.strftime("%H:%M:%S"),
                environ["REQUEST_METHOD"],
                gateway.raw_path(environ),
                name,
                str(status),
                f"{taken * 1000:.0f} ms",
            )
        )
        print(printable(line), file=sys.stderr, flush=True)


async def _operate(route: routes.Route, exchange: Exchange) -> Answer:
    body = await exchange.read(BODY_LIMIT)
    if body is None:
        return refuse(
            exchange.environ,
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "RequestEntityTooLargeException",
            f"The request has more than {BODY_LIMIT} bytes; "
            "an image in it may have 5242880, a larger one comes from S3.",
        )
    return await exchange.run(_invoke, route, exchange.environ, body)


def _invoke(route: routes.Route, environ: Environ, body: bytes) -> Answer:
    event = gateway.request_event(
        environ, body, resource=route.resource, parameters=route.parameters
    )
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
