"""Which function a request is for, from the catalog; or that it is for another service."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, unquote

from facedex.api.catalog import OPERATIONS
from facedex.runtime import handlers
from facedex_local.http.gateway import Environ, Handler, raw_path

FRONT_DOOR: Final = "front_door"
TARGET: Final = "RekognitionService."
_SERVICE: Final = "rekognition"
# What IAM-authorized calls to a deployed API Gateway are signed as.
_GATEWAY: Final = "execute-api"
# It takes time in proportion to a header of any shape: there is nothing to go back for.
_CREDENTIAL: Final = re.compile(r"Credential=([^,\s]*)")


@dataclass(frozen=True, slots=True)
class Route:
    """A function of ours and how the request reaches it.

    Attributes:
        name: the operation, or "-" if there is none of the name that was asked for.
        function: folder in ``functions/``.
        resource: API Gateway's resource path, with ``{Placeholders}``.
        parameters: values of the placeholders, percent-decoded.
        timeout: seconds; memory: MiB, as the function has them when deployed.
    """

    name: str
    function: str
    resource: str
    parameters: Mapping[str, str]
    timeout: int = 29
    memory: int = 1769

    @property
    def handler(self) -> Handler:
        """The function's handler, imported on first use."""
        return handlers.load(self.function)


def is_ours(environ: Environ) -> bool:
    """Whether a request is meant for Rekognition, judged as AWS's own front ends do.

    A target or a credential scope decides; an unsigned request is ours by its path, so that
    plain HTTP clients reach the REST routes.
    """
    target = environ.get("HTTP_X_AMZ_TARGET")
    if target is not None:
        return target.startswith(TARGET) or signed_for(environ) == _SERVICE
    service = signed_for(environ)
    if service in (None, _GATEWAY):
        path = raw_path(environ)
        # A browser asks without a signature whether it may POST /, and moto would let any page.
        asks_first = environ["REQUEST_METHOD"] == "OPTIONS" and path in ("", "/")
        return asks_first or path.startswith(_PREFIXES)
    return service == _SERVICE


def signed_for(environ: Environ) -> str | None:
    """Service named in the credential scope of a signed or presigned request, if it has one."""
    credential = environ.get("HTTP_AUTHORIZATION", "")
    if not credential and "X-Amz-Credential" in environ["QUERY_STRING"]:
        values = parse_qs(environ["QUERY_STRING"]).get("X-Amz-Credential", [""])
        credential = f"Credential={values[0]}"
    found = _CREDENTIAL.search(credential)
    *_, service, terminator = ("", "", *found[1].split("/")) if found else ("", "")
    return service.lower() if service and terminator == "aws4_request" else None


def find(environ: Environ) -> Route | None:
    """The route for a request of ours, or None if there is nothing at that method and path."""
    method, path = environ["REQUEST_METHOD"], raw_path(environ)
    if path in ("", "/"):
        if method != "POST":
            return None
        name = environ.get("HTTP_X_AMZ_TARGET", "").removeprefix(TARGET)
        return Route(name if name in OPERATIONS else "-", FRONT_DOOR, "/", {})
    for operation in OPERATIONS.values():
        if operation.method != method:
            continue
        found = _pattern(operation.path).fullmatch(path)
        if found:
            return Route(
                operation.name,
                operation.function,
                operation.path,
                {name: unquote(value) for name, value in found.groupdict().items()},
                operation.timeout,
                operation.memory,
            )
    return None


def methods(environ: Environ) -> list[str]:
    """The HTTP methods that the path of a request has operations for."""
    path = raw_path(environ)
    if path in ("", "/"):
        return ["POST"]
    return [
        operation.method
        for operation in OPERATIONS.values()
        if _pattern(operation.path).fullmatch(path)
    ]


def _pattern(resource: str) -> re.Pattern[str]:
    """A resource path as a pattern: a placeholder is one segment, a trailing slash is ignored."""
    parts = re.split(r"\{(\w+)\}", resource)
    expression = "".join(
        f"(?P<{part}>[^/]+)" if index % 2 else re.escape(part) for index, part in enumerate(parts)
    )
    return re.compile(f"{expression}/?")  # re keeps compiled patterns by their text


# First segments of the REST routes, "/v1/".
_PREFIXES: Final = tuple(
    sorted({f"/{operation.path.split('/')[1]}/" for operation in OPERATIONS.values()})
)
