"""The endpoint: face operations, pages, health, and moto for all other requests."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Final, Protocol

from facedex.api.media_types import JSON
from facedex.observability import metrics
from facedex.observability.recording import record
from facedex.printing import printable
from facedex_local import terminal
from facedex_local.http import gateway, monitoring, pages, routes
from facedex_local.http.console import Console
from facedex_local.http.exchange import Exchange
from facedex_local.http.gateway import Answer, Environ, raw_path
from facedex_local.http.listener import Application
from facedex_local.http.origins import Origins
from facedex_local.http.refusals import refuse

_logger = logging.getLogger("facedex")

# The largest valid request is CompareFaces with two images of 5 MB, 14 MB of base64 in JSON.
BODY_LIMIT: Final = 15 * 1024 * 1024

# Requests that clients repeat all the time; successful ones are not logged.
_POLLS: Final = ("Kinesis_20131202.GetRecords",)
_POLLED: Final = (routes.METRICS,)
# The services that metrics distinguish: a client may name any.
_SERVICES: Final = frozenset(
    {"rekognition", "s3", "sqs", "sns", "kinesis", "kinesisvideo", "sts", "iam"}
)


class Health(Protocol):
    """A function that returns the state of the server's parts."""

    def __call__(self) -> dict[str, str]:
        """Return the state of each part, and "status": "ok", "full" or "down"."""


class Server:
    """The application that dispatches requests by their signature, target and path."""

    def __init__(
        self,
        *,
        elsewhere: Application,
        health: Health,
        log: bool,
        origins: Origins | None = None,
        console: Console | None = None,
    ) -> None:
        """Create the endpoint.

        Args:
            elsewhere: answers requests for other services.
            health: returns the response to ``GET /health``.
            log: whether to log each request on stderr.
            origins: the judgement of requests by the page that sent them.
            console: the pages for people, if the server has them.
        """
        self._elsewhere = elsewhere
        self._health = health
        self._log = log
        self._origins = origins or Origins()
        self._console = console

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request."""
        started = time.perf_counter()
        exchange.amend = partial(self._origins.amend, exchange.environ, theirs=False)
        name, answer = await self._answer(exchange)
        if answer is None:
            await self._delegate(exchange, started)
            return
        taken = time.perf_counter() - started
        service = "rekognition" if routes.is_ours(exchange.environ) else "server"
        record(metrics.HTTP_REQUESTS, 1, service, str(answer.status))
        try:
            await exchange.answer(answer)
        finally:
            # After the response, so that logging does not delay it.
            self._log_request(exchange.environ, name, answer.status, taken)

    async def _answer(self, exchange: Exchange) -> tuple[str, Answer | None]:
        """Return a request's name for the log, and its response, or None if moto answers it."""
        environ = exchange.environ
        ours = routes.is_ours(environ)
        route = routes.find(environ) if ours else None
        name = route.name if route else "-"
        if answer := self._origins.admit(environ):
            return name, answer
        if ours:
            if route:
                return name, await _operate(route, exchange)
            return name, _refuse_unknown(environ)
        if _asks_for_health(environ):
            page: Answer | None = await monitoring.run(self._report_health)
        else:
            page = pages.find(environ)
            if page is None and self._console:
                page = self._console.find(environ)
        if page:
            return "-", page
        return "-", None

    async def _delegate(self, exchange: Exchange, started: float) -> None:
        environ = exchange.environ

        def log(status: int) -> None:
            service = routes.signed_for(environ) or "-"
            polled = raw_path(environ) in _POLLED
            counted = service if service in _SERVICES else "server" if polled else "other"
            record(metrics.HTTP_REQUESTS, 1, counted, str(status))
            polls = polled or environ.get("HTTP_X_AMZ_TARGET") in _POLLS
            if not (status == 200 and polls):
                self._log_request(environ, service, status, time.perf_counter() - started)

        exchange.on_start = log
        exchange.amend = partial(self._origins.amend, exchange.environ, theirs=True)
        await self._elsewhere(exchange)

    def _report_health(self) -> Answer:
        report = self._health()
        status = HTTPStatus.OK if report["status"] == "ok" else HTTPStatus.SERVICE_UNAVAILABLE
        return Answer(status, [("Content-Type", JSON)], json.dumps(report).encode())

    def _log_request(self, environ: Environ, name: str, status: int, taken: float) -> None:
        if not self._log:
            return
        # Without the query, which may contain a presigned URL's signature.
        line = " ".join(
            (
                time.strftime("%H:%M:%S"),
                environ["REQUEST_METHOD"],
                raw_path(environ),
                name,
                str(status),
                f"{taken * 1000:.0f} ms",
            )
        )
        terminal.say(printable(line))


async def _operate(route: routes.Route, exchange: Exchange) -> Answer:
    body = await exchange.read(BODY_LIMIT)
    if body is None:
        return refuse(
            exchange.environ,
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "RequestEntityTooLargeException",
            f"The request has more than {BODY_LIMIT} bytes; an image in a request may have up to "
            "5242880 bytes, and a larger one can be read from S3.",
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
            f"The function {route.function} failed; see the server's log.",
        )


def _refuse_unknown(environ: Environ) -> Answer:
    # API Gateway answers both cases with 403 "Missing Authentication Token", which is misleading.
    requested = f"{environ['REQUEST_METHOD']} {raw_path(environ)}"
    allowed = ", ".join(routes.methods(environ))
    if allowed:
        answer = refuse(
            environ,
            HTTPStatus.METHOD_NOT_ALLOWED,
            "UnknownOperationException",
            f"There is no operation at {requested}; the path accepts {allowed}.",
        )
        return replace(answer, headers=[*answer.headers, ("Allow", allowed)])
    return refuse(
        environ,
        HTTPStatus.NOT_FOUND,
        "UnknownOperationException",
        f"There is no operation at {requested}.",
    )


def _asks_for_health(environ: Environ) -> bool:
    return (
        environ["REQUEST_METHOD"] in ("GET", "HEAD")
        and raw_path(environ) == "/health"
        and routes.signed_for(environ) is None
    )
