"""Responses: a handler's result, validated against the service model and written as JSON."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime
from numbers import Real
from struct import Struct
from typing import Any, Final
from uuid import UUID

import orjson

from facedex.api.constraints import Location, spell
from facedex.api.errors import ValidationException
from facedex.api.service_model import output_shape
from facedex.api.translation import Translator

_SINGLE: Final = Struct("<f")
_LARGEST: Final = 3.4028234e38  # in single precision


class ResponseError(RuntimeError):
    """A handler's response does not conform to the service model: a bug in the handler."""


def write_response(operation: str, response: Mapping[str, Any]) -> bytes:
    """Serialise a handler's response as AWS JSON; members that are None are omitted.

    Args:
        operation: the operation's name in the service model.
        response: the members of the response.

    Raises:
        ResponseError: if the response does not conform to the service model.
    """
    try:
        return orjson.dumps(_RESPONSES.translate(output_shape(operation), response))
    except ValidationException as error:
        raise ResponseError(f"{operation}: {error}") from None


def conform(shape_name: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document with the types of the service model; members that are None are omitted.

    Args:
        shape_name: name of the structure in the service model.
        document: its members.

    Raises:
        ResponseError: if the document does not have the structure's members and types.
    """
    conforming: dict[str, Any] = _RESPONSES.translate(shape_name, document)
    return conforming


def write_error(code: str, message: str, request_id: str) -> bytes:
    """Serialise an error in the format of AWS JSON 1.1, with the members that Rekognition adds.

    Args:
        code: the error's name.
        message: one or two sentences for the caller.
        request_id: the request's id, by which the error is found in the log.
    """
    return orjson.dumps({"__type": code, "Code": code, "Logref": request_id, "Message": message})


def _string(value: Any) -> str | None:
    return str(value) if isinstance(value, str | UUID) else None


def _double(value: Any) -> float | None:
    # The exact type is checked first: a response may contain thousands of numbers, and a check
    # against an abstract class is slow. NumPy's scalars are Real; so is bool, which is excluded.
    if type(value) is not float and (isinstance(value, bool) or not isinstance(value, Real)):
        return None
    return float(value) if math.isfinite(value) else None


def _float(value: Any) -> float | None:
    """Return the number in single precision, as the service model declares it.

    What was stored and read again is in single precision too, so that a face has the same numbers
    in every response, to the last digit.
    """
    number = _double(value)
    if number is None or abs(number) > _LARGEST:
        return None
    single: float = _SINGLE.unpack(_SINGLE.pack(number))[0]
    return single


def _integer(value: Any) -> int | None:
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _timestamp(value: Any) -> float | None:
    # Rekognition's timestamps have millisecond precision.
    return round(value.timestamp(), 3) if isinstance(value, datetime) else None


def _refuse(value: Any, wanted: str, location: Location) -> ResponseError:
    return ResponseError(f"'{spell(location)}' must be {wanted}, not {type(value).__name__}.")


_RESPONSES: Final = Translator(
    {
        "string": (_string, "a string"),
        "boolean": (lambda value: value if isinstance(value, bool) else None, "true or false"),
        "integer": (_integer, "a whole number"),
        "long": (_integer, "a whole number"),
        "float": (_float, "a finite number"),
        "double": (_double, "a finite number"),
        "blob": (lambda value: b64encode(value).decode(), "bytes"),
        "timestamp": (_timestamp, "a datetime"),
    },
    _refuse,
    strict=True,
)
