"""``GET /metrics``, in front of the other services on the port."""

from __future__ import annotations

import hmac
import logging
import os
import threading
import time
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final

from facedex_local.http import monitoring, routes
from facedex_local.http.exchange import Exchange
from facedex_local.http.gateway import Answer, Environ, raw_path
from facedex_local.http.listener import Application
from facedex_local.http.refusals import refuse
from facedex_local.metrics import files, processes, recorder

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from facedex_local.metrics.recorder import Recorder

_BEARER: Final = "Bearer "
_INTERVAL: Final = 60.0  # seconds between two looks for processes that have ended

_logger: Final = logging.getLogger("facedex")


class Metrics:
    """The metrics of all processes of the server.

    Args:
        token: the token that a scrape has to present; empty for none.
    """

    def __init__(self, token: str) -> None:
        self._token = token.encode()
        self._folder = Path(os.environ[files.SETTING])
        self._lock = threading.Lock()
        self._recorder: Recorder | None = None

    def start(self) -> None:
        """Count in this process, the first one, from now on."""
        self._recorder = recorder.start()
        threading.Thread(target=self._fold_repeatedly, name="metrics", daemon=True).start()

    @cached_property
    def _registry(self) -> CollectorRegistry:
        from prometheus_client import CollectorRegistry
        from prometheus_client.multiprocess import MultiProcessCollector

        from facedex_local.metrics import collectors

        registry = CollectorRegistry()
        MultiProcessCollector(registry, str(self._folder))  # type: ignore[no-untyped-call]
        for collector in (
            collectors.Build(),
            collectors.Processes(),
            collectors.Queues(),
            collectors.Database(),
        ):
            registry.register(collector)
        return registry

    def answer(self, environ: Environ) -> Answer:
        """Return the response to a scrape."""
        given = environ.get("HTTP_AUTHORIZATION", "")
        if self._token and not hmac.compare_digest(
            given.removeprefix(_BEARER).encode("utf-8", "replace"), self._token
        ):
            refusal = refuse(
                environ,
                HTTPStatus.UNAUTHORIZED,
                "MissingAuthenticationTokenException",
                "/metrics needs the header Authorization: Bearer TOKEN, with the token in the file"
                " metrics.token of the data directory, or in FACEDEX_METRICS_TOKEN.",
            )
            refusal.headers.append(("WWW-Authenticate", 'Bearer realm="facedex"'))
            return refusal
        return self.answer_verified(environ)

    def answer_verified(self, environ: Environ) -> Answer:
        """Return the response to a scrape whose caller has been verified otherwise."""
        content_type, body = self._render(environ.get("HTTP_ACCEPT", ""))
        return Answer(HTTPStatus.OK, [("Content-Type", content_type)], body)

    def _render(self, accept: str) -> tuple[str, bytes]:
        from prometheus_client.exposition import choose_encoder

        encode, content_type = choose_encoder(accept)
        with self._lock:
            self._fold()
            if self._recorder:
                self._recorder.look()
            return content_type, encode(self._registry)

    def _fold(self) -> None:
        known = files.present(self._folder)
        alive = [each.id for each in processes.find()]
        files.fold(self._folder, alive, known)

    def _fold_repeatedly(self) -> None:
        """Fold without scrapes too: the files of processes that die again and again fill a disk."""
        while True:
            time.sleep(_INTERVAL)
            try:
                with self._lock:
                    self._fold()
            except Exception:  # the next attempt may succeed
                _logger.exception("The metrics of processes that have ended could not be folded.")


class Scraping:
    """An application in front of another, which answers scrapes.

    Args:
        application: answers all other requests.
        metrics: answers scrapes.
    """

    def __init__(self, application: Application, metrics: Metrics) -> None:
        self._application, self._metrics = application, metrics

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request."""
        if is_scrape(exchange.environ):
            await exchange.answer(await monitoring.run(self._metrics.answer, exchange.environ))
        else:
            await self._application(exchange)


class SignedScraping:
    """An application that also answers scrapes that are signed with an access key.

    It is behind the check of signatures: it takes every signature for verified.

    Args:
        application: answers all other requests.
        metrics: answers scrapes.
    """

    def __init__(self, application: Application, metrics: Metrics) -> None:
        self._application, self._metrics = application, metrics

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request, whose signature has been verified."""
        environ = exchange.environ
        if is_signed_scrape(environ):
            await exchange.answer(await monitoring.run(self._metrics.answer_verified, environ))
        else:
            await self._application(exchange)


def is_scrape(environ: Environ) -> bool:
    """Return whether a request asks for the metrics, and not for a signed object of S3."""
    return _is_read(environ) and routes.signed_for(environ) is None


def is_signed_scrape(environ: Environ) -> bool:
    """Return whether a request asks for the metrics with a signature for an HTTP API."""
    return _is_read(environ) and routes.signed_for(environ) == routes.GATEWAY


def _is_read(environ: Environ) -> bool:
    return environ["REQUEST_METHOD"] in ("GET", "HEAD") and raw_path(environ) == routes.METRICS
