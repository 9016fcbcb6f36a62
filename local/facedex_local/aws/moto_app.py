"""S3 and every other AWS service that is not ours: moto, in this process, loaded when needed."""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from facedex_local.aws.moto_objects import keep_objects
from facedex_local.aws.moto_queues import lock_queues
from facedex_local.aws.moto_records import bound_records
from facedex_local.http.exchange import HEADERS
from facedex_local.http.gateway import Environ
from facedex_local.http.refusals import refuse

if TYPE_CHECKING:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication

# moto's own name for what its server tells it about header names; see PRESERVED_HEADERS.
_METADATA = "x-amz-meta-"

_logger = logging.getLogger("facedex")


class Moto:
    """moto's server as a WSGI application.

    It is imported by the first request that needs it (about half a second), so that a start
    without S3 does not wait for it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._dispatcher: DomainDispatcherApplication | None = None
        self._names_key = ""

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer as AWS would."""
        # By this path, whoever asks, moto empties and reseeds every service.
        if environ["PATH_INFO"].lstrip("/").startswith("moto-api"):
            return _refuse(
                environ,
                start_response,
                HTTPStatus.NOT_FOUND,
                "UnknownOperationException",
                "moto's own API is not offered here; a restart empties S3 and its other services.",
            )
        dispatcher = self._dispatcher or self.load()
        environ[self._names_key] = _underscored_metadata(environ[HEADERS])
        try:
            service = dispatcher.get_application(environ)
        except Exception as error:
            _logger.warning("moto cannot tell what a request is for: %s", type(error).__name__)
            return _refuse(
                environ,
                start_response,
                HTTPStatus.BAD_REQUEST,
                "UnknownOperationException",
                "moto, which stands in for S3 and the other services here, cannot tell what this"
                " request is for.",
            )
        try:
            return service(environ, start_response)
        except Exception as error:
            # What is wrong with moto at one moment, as when two threads meet in it, may be right at
            # the next: SDKs repeat what is answered so.
            _logger.warning("moto has failed at a request: %s", _place_of(error))
            return _refuse(
                environ,
                start_response,
                HTTPStatus.INTERNAL_SERVER_ERROR,
                "InternalFailure",
                "moto, which stands in for S3 and the other services here, has failed at this"
                " request; the server's log says where.",
            )

    def load(self) -> DomainDispatcherApplication:
        """Import moto now, unless it is."""
        with self._lock:
            if self._dispatcher is None:
                from moto.core.request import PRESERVED_HEADER_NAMES_ENVIRON_KEY
                from moto.moto_server.werkzeug_app import (
                    DomainDispatcherApplication,
                    create_backend_app,
                )

                keep_objects()
                lock_queues()
                bound_records()
                self._names_key = PRESERVED_HEADER_NAMES_ENVIRON_KEY
                self._dispatcher = DomainDispatcherApplication(create_backend_app)
            return self._dispatcher


def _refuse(
    environ: Environ,
    start_response: Callable[..., Any],
    status: HTTPStatus,
    code: str,
    message: str,
) -> Iterable[bytes]:
    answer = refuse(environ, status, code, message)
    start_response(answer.line, answer.headers)
    return [answer.body]


def _place_of(error: Exception) -> str:
    """An error's kind and where it was raised, without its words, which may hold names."""
    *_, (frame, line) = traceback.walk_tb(error.__traceback__)
    return f"{type(error).__name__} in {frame.f_code.co_filename}, line {line}"


def _underscored_metadata(headers: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """S3 metadata headers with an underscore, which WSGI would turn into a dash."""
    names = [name.decode("latin-1") for name, _ in headers]
    return {
        f"HTTP_{name.upper().replace('-', '_')}": name
        for name in names
        if "_" in name and name.startswith(_METADATA)
    }
