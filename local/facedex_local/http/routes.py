"""The function of each request, according to the catalog, and requests for other services."""

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
# The path of the metrics, which are no operation.
METRICS: Final = "/metrics"
_SERVICE: Final = "rekognition"
# The service name in signatures of IAM-authorized calls to a deployed API Gateway.
GATEWAY: Final = "execute-api"
_S3: Final = "s3"
# Services with operations that clients call without a signature.
_UNSIGNED: Final = ("AWSCognitoIdentityService.", "AWSCognitoIdentityProviderService.")
# Matching takes linear time for any header, because the pattern never backtracks.
_CREDENTIAL: Final = re.compile(r"Credential=([^,\s]*)")


@dataclass(frozen=True, slots=True)
class Route:
    """A function and the route by which a request reaches it.

    Attributes:
        name: the operation, or "-" if the requested operation does not exist.
        function: the function's folder in ``functions/facedex_functions``.
        resource: API Gateway's resource path, with ``{Placeholders}``.
        parameters: the placeholders' values, percent-decoded.
        timeout: the deployed function's timeout, in seconds.
        memory: the deployed function's memory, in MiB.
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
    """Return whether a request is for the face API.

    As at AWS, the target or the credential scope decides. For an unsigned request, the path
    decides, so that plain HTTP clients reach the REST routes. A target that no other service has
    is an unknown operation of this API, and not a request for S3, which has no targets.
    """
    target = environ.get("HTTP_X_AMZ_TARGET")
    service = signed_for(environ)
    if target is not None:
        named = target.strip().lower().startswith(_SERVICE)
        stray = service in (None, GATEWAY, _S3) and not target.startswith(_UNSIGNED)
        return named or stray or service == _SERVICE
    if service in (None, GATEWAY):
        path = raw_path(environ)
        # A browser's preflight request for POST / has no signature, and moto would allow any page.
        preflight = environ["REQUEST_METHOD"] == "OPTIONS" and path in ("", "/")
        return preflight or path.startswith(_PREFIXES)
    return service == _SERVICE


def signed_for(environ: Environ) -> str | None:
    """Return the service in a signed or presigned request's credential scope, or None."""
    credential = environ.get("HTTP_AUTHORIZATION", "")
    if not credential and "X-Amz-Credential" in environ["QUERY_STRING"]:
        values = parse_qs(environ["QUERY_STRING"]).get("X-Amz-Credential", [""])
        credential = f"Credential={values[0]}"
    found = _CREDENTIAL.search(credential)
    *_, service, terminator = ("", "", *found[1].split("/")) if found else ("", "")
    return service.lower() if service and terminator == "aws4_request" else None


def find(environ: Environ) -> Route | None:
    """Return the route of a request for the face API, or None if no operation matches."""
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
    """Return the HTTP methods that have operations at the request's path."""
    path = raw_path(environ)
    if path in ("", "/"):
        return ["POST"]
    return [
        operation.method
        for operation in OPERATIONS.values()
        if _pattern(operation.path).fullmatch(path)
    ]


def _pattern(resource: str) -> re.Pattern[str]:
    """Return the pattern of a resource path.

    A placeholder matches one segment, and a trailing slash is ignored.
    """
    parts = re.split(r"\{(\w+)\}", resource)
    expression = "".join(
        f"(?P<{part}>[^/]+)" if index % 2 else re.escape(part) for index, part in enumerate(parts)
    )
    return re.compile(f"{expression}/?")  # re caches compiled patterns


# First segments of the REST routes, "/v1/".
_PREFIXES: Final = tuple(
    sorted({f"/{operation.path.split('/')[1]}/" for operation in OPERATIONS.values()})
)
