"""Requests: JSON, validated against the service model and converted to Python values."""

from __future__ import annotations

import binascii
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from pybase64 import b64decode

from facedex.api.constraints import Location, spell
from facedex.api.errors import SerializationException
from facedex.api.service_model import input_shape
from facedex.api.translation import Translator

# The byte order mark with which some editors and shells begin a file of UTF-8.
_MARK: Final = "\ufeff"


def parse_json(body: bytes | str) -> dict[str, Any]:
    """Parse the body of a request, which is one JSON object; an empty body is an empty object.

    A byte order mark before it is ignored.

    Raises:
        SerializationException: if ``body`` is not a JSON object; NaN and Infinity are not JSON.
    """
    try:
        text = (body if isinstance(body, str) else body.decode()).removeprefix(_MARK)
    except UnicodeDecodeError as error:
        raise SerializationException(
            f"The request's body is not JSON in UTF-8; its byte {error.start + 1} is not of UTF-8."
        ) from None
    if not text or text.isspace():
        return {}
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise SerializationException(
            f"The request's body is not valid JSON: {error.msg} at character {error.pos}."
        ) from None
    if not isinstance(document, dict):
        raise SerializationException("The request's body must be one JSON object.")
    return document


def read_request(operation: str, document: dict[str, Any]) -> dict[str, Any]:
    """Validate a request and decode its blobs; members that the model lacks are dropped.

    Args:
        operation: the operation's name in the service model.
        document: the parsed JSON object.

    Raises:
        SerializationException: if a member has the wrong type.
        ValidationException: if members are missing or break constraints.
    """
    return _REQUESTS.translate(input_shape(operation), document)


def _integer(bits: int) -> Callable[[Any], int | None]:
    bound = 2 ** (bits - 1)

    def convert(value: Any) -> int | None:
        number = _number(value)
        if number is None or number != int(number) or not -bound <= number < bound:
            return None
        return int(value)

    return convert


def _number(value: Any) -> float | None:
    # bool is an int to Python, not to JSON.
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


_BASE64: Final = re.compile(rb"(?:data:[^,]*;base64,)?([A-Za-z0-9+/_-]*)=*", re.IGNORECASE)
_URL_ALPHABET: Final = bytes.maketrans(b"-_", b"+/")
_SPACES: Final = b" \t\n\r\v\f"
_BYTES: Final = "base64-encoded bytes"
_DATA_URL: Final = re.compile(r"data:[^,]*;base64,", re.IGNORECASE)
_FOREIGN: Final = re.compile(r"[^A-Za-z0-9+/_= \t\n\r\v\f-]")


def _blob(value: Any) -> bytes | None:
    # The raw body of a REST request is bytes already.
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str):
        return None
    try:
        return b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return _lenient_base64(value)


def _lenient_base64(value: str) -> bytes | None:
    """Decode base64 with line breaks, without padding, of the URL alphabet or in a data URL."""
    try:
        # As bytes, since millions of pieces between spaces would be as many Python objects.
        found = _BASE64.fullmatch(value.encode("ascii").translate(None, _SPACES))
        if found is None:
            return None
        digits = found[1].translate(_URL_ALPHABET)
        return b64decode(digits + b"=" * (-len(digits) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def _fault_of_base64(value: str) -> str:
    """Return a clause that says why a text is not base64."""
    data_url = _DATA_URL.match(value)
    start = data_url.end() if data_url else 0
    if foreign := _FOREIGN.search(value, start):
        return f"the character {foreign[0]!a} at position {foreign.start() + 1} is not of base64"
    if "=" in value[start:].rstrip("= \t\n\r\v\f"):
        return "only its end may have '='"
    return "it has one character too many or is cut off"


def _timestamp(value: Any) -> datetime | None:
    seconds = _number(value)
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _refuse(value: Any, wanted: str, location: Location) -> SerializationException:
    place = f"'{spell(location)}'" if location else "The request"
    if wanted == _BYTES and isinstance(value, str):
        return SerializationException(f"{place} must be {wanted}: {_fault_of_base64(value)}.")
    got = _JSON_TYPES.get(type(value), "null")
    return SerializationException(f"{place} must be {wanted}, not {got}.")


_JSON_TYPES: Final = {
    bool: "a boolean",
    bytes: "a blob",
    dict: "a structure",
    float: "this number",
    int: "this number",
    list: "a list",
    str: "this string",
}

_REQUESTS: Final = Translator(
    {
        "string": (lambda value: value if isinstance(value, str) else None, "a string"),
        "boolean": (lambda value: value if isinstance(value, bool) else None, "true or false"),
        "integer": (_integer(32), "a whole number of 32 bits"),
        "long": (_integer(64), "a whole number of 64 bits"),
        "float": (_number, "a finite number"),
        "double": (_number, "a finite number"),
        "blob": (_blob, _BYTES),
        "timestamp": (_timestamp, "a timestamp in seconds since 1970"),
    },
    _refuse,
    strict=False,
)
