"""Changes to how moto selects a service for a request and reads its body.

Unchanged, moto loses bodies whose content type is that of a form, although S3 stores any bytes with
any type; curl and Python's urllib send that type by themselves. Names of services that it does not
know are printed as the client sent them, and some names lead to its own administration.
"""

from __future__ import annotations

from functools import cache
from http import HTTPStatus
from typing import Any, Final

from flask import Flask, Response
from flask import request as flask_request
from moto import backends
from moto.moto_server.werkzeug_app import (
    BackendRequest,
    DomainDispatcherApplication,
    create_backend_app,
)

# First words of the names of moto's administration, and of its imitation of the face API.
_WITHHELD: Final = ("moto_api", "rekognition")
_FORM_WITH_FILE: Final = "multipart/form-data"
_FORM: Final = "application/x-www-form-urlencoded"
_LONGEST_FORM: Final = 1 << 20  # bytes of a form in which an action is looked for
# Parameters of the S3 operations besides PostObject that are requested by POST.
_NOT_POST_OBJECT: Final = ("delete", "restore", "select", "uploadId", "uploads")


class UnknownServiceError(Exception):
    """No service of moto has the name in the request."""


class Dispatcher(DomainDispatcherApplication):
    """moto's dispatcher, without withheld services, output, and losses of bodies."""

    def __init__(self) -> None:
        super().__init__(_create_app)

    def get_backend_for_host(self, host: str | None) -> Any:
        """Return the name of the service at one of AWS's host names.

        Raises:
            UnknownServiceError: if there is none, or if it is withheld.
        """
        if host is None:
            return None
        found = host if host in _modules() else None
        for backend, pattern in self.backend_url_patterns if found is None else ():
            if pattern.match(f"http://{host}"):
                found = backend
                break
        if found is None or found.startswith(_WITHHELD):
            raise UnknownServiceError
        return found

    def _get_body(self, environ: dict[str, Any]) -> str | None:
        """Return the form of an unsigned request, which may name an action of STS."""
        if environ["REQUEST_METHOD"] != "POST":
            return None
        if not environ.get("CONTENT_TYPE", "").startswith(_FORM):
            return None
        form: bytes = environ["wsgi.input"].read(_LONGEST_FORM)
        environ["wsgi.input"].seek(0)
        return form.decode("utf-8", "replace")

    def get_service_from_path(
        self,
        path_info: str,  # noqa: ARG002 - moto passes it
    ) -> tuple[str | None, str | None]:
        """Return no service: the path of an unsigned request is that of an object in S3."""
        return None, None


class _ObjectRequest(BackendRequest):
    """A request to S3, whose body is a form only in the operation PostObject."""

    @property
    def posts_object(self) -> bool:
        """Whether this is a request for PostObject."""
        return self.method == "POST" and not any(name in self.args for name in _NOT_POST_OBJECT)

    @property
    def want_form_data_parsed(self) -> bool:
        return self.posts_object and self.mimetype == _FORM_WITH_FILE


class _ServiceRequest(BackendRequest):
    """A request to another service; only those with a query protocol take forms.

    They take them at the root, and SQS at the addresses of queues too. No REST service has an
    operation that is requested by POST at the root.
    """

    @property
    def want_form_data_parsed(self) -> bool:
        rooted = self.path in ("", "/") or self.path.lstrip("/")[:1].isdigit()
        return self.method == "POST" and rooted and super().want_form_data_parsed


def _create_app(service: backends.SERVICE_NAMES) -> Flask:
    application = create_backend_app(service)
    if service == "s3":
        application.request_class = _ObjectRequest
        application.before_request(_refuse_incomplete_form)
    else:
        application.request_class = _ServiceRequest
    return application


def _refuse_incomplete_form() -> Response | None:
    """Return S3's error for a PostObject without a form or a key, at which moto fails."""
    request: Any = flask_request
    if not request.posts_object:
        return None
    if request.mimetype != _FORM_WITH_FILE:
        problem = "Bucket POST must be of the enclosure-type multipart/form-data"
        return _error(HTTPStatus.PRECONDITION_FAILED, "PreconditionFailed", problem)
    if "key" not in request.form:
        problem = "Bucket POST must contain a field named 'key'."
        return _error(HTTPStatus.BAD_REQUEST, "InvalidArgument", problem)
    return None


def _error(status: HTTPStatus, code: str, message: str) -> Response:
    body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return Response(body, status, content_type="application/xml")


@cache
def _modules() -> frozenset[str]:
    return frozenset(backends.list_of_moto_modules())
