"""moto in this process, for S3 and the other AWS services; it is loaded when needed."""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Callable, Collection, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from facedex.printing import printable
from facedex_local.aws import moto_outgoing
from facedex_local.aws.moto_actions import read_actions
from facedex_local.aws.moto_buckets import read_buckets
from facedex_local.aws.moto_instances import release_instances, release_parts
from facedex_local.aws.moto_mistakes import report_mistakes
from facedex_local.aws.moto_objects import keep_objects
from facedex_local.aws.moto_queues import lock_queues
from facedex_local.aws.moto_ranges import read_ranges
from facedex_local.aws.moto_records import bound_records
from facedex_local.aws.moto_topics import deliver_to_all
from facedex_local.http.environs import HEADERS
from facedex_local.http.gateway import Environ
from facedex_local.http.service_errors import Protocol, protocol_of, write_error

if TYPE_CHECKING:
    from facedex_local.aws.moto_dispatch import Dispatcher

# Prefix of the headers whose original names moto needs; see PRESERVED_HEADERS in moto.
_METADATA = "x-amz-meta-"

# Errors that have other names in the services with XML.
_XML_CODES = {
    "AccessDeniedException": "AccessDenied",
    "UnknownOperationException": "InvalidAction",
}

_logger = logging.getLogger("facedex")


class Moto:
    """moto's server as a WSGI application.

    The first request that needs moto imports it, which takes about half a second. A start that
    does not need S3 is faster for it.

    Args:
        sns_endpoints: the addresses to which SNS may deliver by HTTP.
    """

    def __init__(self, sns_endpoints: Collection[str] = ()) -> None:
        self._sns_endpoints = sns_endpoints
        self._lock = threading.Lock()
        self._dispatcher: Dispatcher | None = None
        self._names_key = ""

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer as AWS would."""
        # Requests for this path would let any client reset all of moto's services.
        if environ["PATH_INFO"].lstrip("/").startswith("moto-api"):
            return _refuse(
                environ,
                start_response,
                HTTPStatus.NOT_FOUND,
                "UnknownOperationException",
                "moto's own API is not available; restart the server to empty S3 and the other"
                " services.",
            )
        dispatcher = self._dispatcher or self.load()
        environ[self._names_key] = _underscored_metadata(environ[HEADERS])
        try:
            service = dispatcher.get_application(environ)
        except Exception as error:
            _logger.warning("moto does not recognise a request: %s", type(error).__name__)
            return _refuse(
                environ,
                start_response,
                HTTPStatus.BAD_REQUEST,
                "UnknownOperationException",
                "moto, which replaces S3 and other services here, does not recognise this request.",
            )
        try:
            with moto_outgoing.confined():
                return service(environ, start_response)
        except Exception as error:
            if address := moto_outgoing.refused_address():
                return _refuse(
                    environ,
                    start_response,
                    HTTPStatus.FORBIDDEN,
                    "AccessDeniedException",
                    f"This server does not call {printable(address)} for its clients.",
                )
            # A repeated request may succeed, for example after a race between two threads in moto.
            # SDKs retry after this error.
            _logger.warning("moto failed to process a request: %s", _describe_origin(error))
            return _refuse(
                environ,
                start_response,
                HTTPStatus.INTERNAL_SERVER_ERROR,
                "InternalFailure",
                "moto, which replaces S3 and other services here, failed to process this request;"
                " see the server's log.",
            )

    def load(self) -> Dispatcher:
        """Import moto if it is not imported yet, and return its dispatcher."""
        with self._lock:
            if self._dispatcher is None:
                from moto.core.request import PRESERVED_HEADER_NAMES_ENVIRON_KEY

                from facedex_local.aws.moto_dispatch import Dispatcher

                moto_outgoing.confine(self._sns_endpoints)
                release_instances()
                release_parts()
                keep_objects()
                read_buckets()
                read_ranges()
                report_mistakes()
                lock_queues()
                deliver_to_all()
                bound_records()
                read_actions()
                self._names_key = PRESERVED_HEADER_NAMES_ENVIRON_KEY
                self._dispatcher = Dispatcher()
            return self._dispatcher


def _refuse(
    environ: Environ,
    start_response: Callable[..., Any],
    status: HTTPStatus,
    code: str,
    message: str,
) -> Iterable[bytes]:
    if protocol_of(environ) in (Protocol.QUERY, Protocol.S3):
        code = _XML_CODES.get(code, code)
    answer = write_error(environ, status, code, message)
    start_response(answer.line, answer.headers)
    return [answer.body]


def _describe_origin(error: Exception) -> str:
    """Return an error's class and the line that raised it, without its message.

    The message may contain the user's names.
    """
    *_, (frame, line) = traceback.walk_tb(error.__traceback__)
    return f"{type(error).__name__} in {frame.f_code.co_filename}, line {line}"


def _underscored_metadata(headers: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return the names of S3 metadata headers that contain an underscore.

    WSGI would change the underscore into a dash.

    Returns:
        Original header names by their names in a WSGI environment.
    """
    names = [name.decode("latin-1") for name, _ in headers]
    return {
        f"HTTP_{name.upper().replace('-', '_')}": name
        for name in names
        if "_" in name and name.startswith(_METADATA)
    }
