"""The front door, ``POST /``: AWS JSON 1.1, the protocol that AWS SDKs use.

The function can run every operation of the catalog; the header ``X-Amz-Target`` names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from facedex.api.catalog import OPERATIONS
from facedex.api.errors import UnknownOperationException
from facedex.api.media_types import JSON_1_1
from facedex.api.reading import parse_json
from facedex.runtime import reporting
from facedex.runtime.gateway import Call, answer
from facedex.runtime.handlers import endpoint
from facedex.runtime.operation import Request


def lambda_handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Handle an API Gateway event of ``POST /``; Lambda's entry point."""
    with reporting.under(context):
        return answer(event, JSON_1_1, _perform, _operation(event.get("headers") or {}))


def _perform(call: Call) -> bytes:
    name = _operation(call.headers)
    if name not in OPERATIONS:
        target = call.headers.get("x-amz-target", "")
        raise UnknownOperationException(
            f"X-Amz-Target {target[:80]!r} is not an operation of this service. Its operations are"
            f" {', '.join(OPERATIONS)}."
        )
    return endpoint(name).perform(call, _read)


def _operation(headers: Mapping[str, str]) -> str:
    """Return the operation that the target in a request's headers names, or an empty text."""
    target = next((headers[name] for name in headers if name.lower() == "x-amz-target"), "")
    service, _, name = target.partition(".")
    return name if service == "RekognitionService" else ""


def _read(call: Call) -> Request:
    return parse_json(call.body)
