"""The front door, POST /: AWS JSON 1.1, as every AWS SDK speaks it.

The only function that reaches all operations, by the catalog; ``X-Amz-Target`` says which.
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
    """Lambda's entry: an API Gateway event of ``POST /``."""
    with invocation.under(context):
        return answer(event, JSON_1_1, _act)


def _act(call: Call) -> bytes:
    target = call.headers.get("x-amz-target", "")
    service, _, name = target.partition(".")
    if service != "RekognitionService" or name not in OPERATIONS:
        raise UnknownOperationException(
            f"X-Amz-Target {target[:80]!r} names no operation of this service; it has"
            f" {', '.join(OPERATIONS)}."
        )
    return endpoint(name).perform(call, _read)


def _read(call: Call) -> Request:
    return parse_json(call.body)
