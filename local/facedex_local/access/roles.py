"""What a read-only key may do at the stand-ins: requests that change nothing, and no other.

The decision is derived from AWS's own service models, which botocore contains, and from the HTTP
method for S3. A request that is not recognised as reading counts as changing, as does one that
moto could read in another way than this module.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Final
from urllib.parse import parse_qsl

from facedex.api.catalog import is_reading
from facedex_local.access.s3_signatures import SERVICE as S3
from facedex_local.http import routes
from facedex_local.http.gateway import Environ, raw_path

# AWS's models by the name in signatures. Other services may be used with a full key only.
_MODELS: Final = {
    "sqs": ("sqs",),
    "sns": ("sns",),
    "kinesis": ("kinesis",),
    "kinesisvideo": ("kinesisvideo", "kinesis-video-media"),
    "sts": ("sts",),
}
# moto chooses the service by a host name that contains the region.
_REGION: Final = re.compile(r"[a-z0-9-]{1,40}")
_ACTION: Final = "Action"
_MULTIPART: Final = "multipart/"


def may_read(environ: Environ, service: str, region: str, body: bytes) -> bool:
    """Return whether a request changes nothing.

    Args:
        environ: the request.
        service: the service that its signature is scoped to.
        region: the region that its signature is scoped to.
        body: its body; S3's is not needed.
    """
    if not _REGION.fullmatch(region):
        return False
    if service == S3:
        return environ["REQUEST_METHOD"] in ("GET", "HEAD")
    if service == routes.GATEWAY:
        return environ["REQUEST_METHOD"] in ("GET", "HEAD") and raw_path(environ) == routes.METRICS
    # moto also looks for an action in these.
    if "HTTP_CONTENT_ENCODING" in environ or _MULTIPART in environ.get("CONTENT_TYPE", "").lower():
        return False
    name = _operation(environ, service, body)
    return name is not None and is_reading(name)


def _operation(environ: Environ, service: str, body: bytes) -> str | None:
    """Return the operation that a request calls, or None if that is not certain."""
    target = environ.get("HTTP_X_AMZ_TARGET")
    text = body.decode("utf-8", "replace")
    actions = [
        value
        for part in (environ["QUERY_STRING"], text)
        for name, value in parse_qsl(part, keep_blank_values=True)
        if name == _ACTION
    ]
    for model in map(_model, _MODELS.get(service, ())):
        metadata = model.metadata
        name = None
        if metadata["protocol"] == "rest-json":
            name = _paths(service).get((environ["REQUEST_METHOD"], raw_path(environ)))
        elif target is not None and "targetPrefix" in metadata:
            prefix, _, name = target.rpartition(".")
            name = name if prefix == metadata["targetPrefix"] and not actions else None
        elif target is None and len(actions) == 1:
            # Kinesis has no query protocol, and moto would act all the same.
            return actions[0] if actions[0] in model.operation_names else None
        if name in model.operation_names and not actions and not environ["QUERY_STRING"]:
            return name
    return None


@cache
def _paths(service: str) -> dict[tuple[str, str], str]:
    """Return the operations of a REST service by their method and path."""
    found = {}
    for model in map(_model, _MODELS[service]):
        for name in model.operation_names:
            http = model.operation_model(name).http
            found[http["method"], http["requestUri"]] = name
    return found


@cache
def _model(name: str) -> Any:
    from botocore.loaders import Loader
    from botocore.model import ServiceModel

    loader: Any = Loader()
    return ServiceModel(loader.load_service_model(name, "service-2"), name)
