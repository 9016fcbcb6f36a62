"""The front door, ``POST /``: AWS JSON 1.1, the protocol that AWS SDKs use.

The function can run every operation of the catalog; the header ``X-Amz-Target`` names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from facedex import invocation
from facedex.api.catalog import OPERATIONS
from facedex.api.errors import UnknownOperationException
from facedex.api.media_types import JSON_1_1
from facedex.api.reading import parse_json
from facedex.runtime.gateway import Call, answer
from facedex.runtime.handlers import endpoint
from facedex.runtime.operation import Request


def lambda_handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Handle an API Gateway event of ``POST /``; Lambda's entry point."""
    with invocation.under(context):
        return answer(event, JSON_1_1, _perform)


def _perform(call: Call) -> bytes:
    target = call.headers.get("x-amz-target", "")
    service, _, name = target.partition(".")
    if service != "RekognitionService" or name not in OPERATIONS:
        raise UnknownOperationException(
            f"X-Amz-Target {target[:80]!r} is not an operation of this service. Its operations are"
            f" {', '.join(OPERATIONS)}."
        )
    return endpoint(name).perform(call, _read)


def _read(call: Call) -> Request:
    return parse_json(call.body)
