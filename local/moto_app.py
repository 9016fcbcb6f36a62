"""S3 and every other AWS service that is not ours: moto, in this process, loaded when needed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from local.listener import HEADER_NAMES, Application
from local.moto_objects import keep_objects
from local.moto_queues import lock_queues
from local.moto_records import bound_records
from local.refusals import refuse

# moto's own name for what its server tells it about header names; see PRESERVED_HEADER_NAMES.
_METADATA = "x-amz-meta-"

_logger = logging.getLogger("facedex")


class Moto:
    """moto's server as a WSGI application.

    It is imported by the first request that needs it (about half a second), so that a start
    without S3 does not wait for it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._application: Application | None = None
        self._names_key = ""

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer as AWS would."""
        # By this path, whoever asks, moto empties and reseeds every service.
        if environ["PATH_INFO"].lstrip("/").startswith("moto-api"):
            answer = refuse(
                environ,
                HTTPStatus.NOT_FOUND,
                "UnknownOperationException",
                "moto's own API is not offered here; a restart empties S3 and its other services.",
            )
            start_response(answer.line, answer.headers)
            return [answer.body]
        application = self._application or self.load()
        environ[self._names_key] = _underscored_metadata(environ[HEADER_NAMES])
        try:
            return application(environ, start_response)
        except Exception as error:
            # Its dispatcher fails at requests that are for no service it knows.
            _logger.warning("moto cannot answer a request: %s", type(error).__name__)
            answer = refuse(
                environ,
                HTTPStatus.BAD_REQUEST,
                "UnknownOperationException",
                "moto, which stands in for S3 and the other services here, cannot tell what this"
                " request is for.",
            )
            start_response(answer.line, answer.headers)
            return [answer.body]

    def load(self) -> Application:
        """Import moto now, unless it is."""
        with self._lock:
            if self._application is None:
                from moto.core.request import PRESERVED_HEADER_NAMES_ENVIRON_KEY
                from moto.moto_server.werkzeug_app import (
                    DomainDispatcherApplication,
                    create_backend_app,
                )

                keep_objects()
                lock_queues()
                bound_records()
                self._names_key = PRESERVED_HEADER_NAMES_ENVIRON_KEY
                self._application = DomainDispatcherApplication(create_backend_app)
            return self._application


def _underscored_metadata(names: list[str]) -> dict[str, str]:
    """S3 metadata headers with an underscore, which WSGI would turn into a dash."""
    return {
        f"HTTP_{name.upper().replace('-', '_')}": name
        for name in names
        if "_" in name and name.lower().startswith(_METADATA)
    }
