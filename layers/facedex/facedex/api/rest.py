"""REST requests: members from the path, the query string and the body."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias
from urllib.parse import unquote

import orjson

from facedex.api.catalog import VARIANTS, Variant
from facedex.api.errors import SerializationException, ValidationException
from facedex.api.reading import parse_json
from facedex.api.service_model import input_shape, shape

# Every value of every query parameter.
Query: TypeAlias = Mapping[str, Sequence[str]]

# FaceIds that fit into the 10,240 bytes that API Gateway allows for request line and headers.
MOST_IN_QUERY: Final = 100

_RAW: Final = ("image/", "application/octet-stream")
_MOST_SHOWN: Final = 80


def choose_variant(operation: str, query: Query) -> str:
    """Return the name of the operation, or of its extension that the query parameters select.

    Args:
        operation: the operation of the route.
        query: every value of every query parameter.

    Raises:
        ValidationException: if the selecting parameter has an unknown value.
    """
    for variant in _variants(operation):
        chosen = _single(variant.parameter, query.get(variant.parameter, [variant.default]))
        if chosen == variant.value:
            return variant.name
        if chosen != variant.default:
            raise ValidationException(
                f"The query parameter {variant.parameter} must be {variant.default} or"
                f" {variant.value}, not {chosen[:_MOST_SHOWN]!r}."
            )
    return operation


def read_members(
    operation: str,
    *,
    variant: str | None = None,
    headers: Mapping[str, str],
    path: Mapping[str, str],
    query: Query,
    body: str | bytes,
) -> dict[str, Any]:
    """Join path, query and body into the members of a request.

    A body of type ``image/*`` or ``application/octet-stream`` becomes the request's
    ``Image.Bytes``; any other body is a JSON object. A member that is given in two places must
    have the same value in both.

    Args:
        operation: the operation's name in the service model.
        variant: the name of its extension that the query parameters select.
        headers: by lower-case name.
        path: the path parameters of the route.
        query: every value of every query parameter.
        body: text, or bytes if API Gateway passed the body in base64.

    Raises:
        SerializationException: if the body is neither JSON nor a photo that the operation accepts,
            or a query parameter has the wrong type.
        ValidationException: if a query parameter is unknown, or a member has two values.
    """
    known = shape(input_shape(variant or operation))["members"]
    given = _body_members(operation, known, headers.get("content-type", ""), body)
    members = {name: value for name, value in given.items() if value is not None}
    for name, value in (*_query_members(operation, known, query), *_path_members(path)):
        if members.setdefault(name, value) != value:
            raise ValidationException(f"{name} is given twice, with different values.")
    return members


def _variants(operation: str) -> list[Variant]:
    return [variant for variant in VARIANTS.values() if variant.operation == operation]


def _body_members(
    operation: str, known: Mapping[str, Any], kind: str, body: str | bytes
) -> dict[str, Any]:
    if not kind.lower().startswith(_RAW):
        try:
            return parse_json(body)
        except SerializationException as error:
            if "Image" not in known:
                raise
            raise SerializationException(
                f"{error} To send a photo as the body, set Content-Type to image/jpeg or image/png."
            ) from None
    if "Image" not in known:
        raise SerializationException(
            f"{operation} does not accept a photo as its body; send a JSON object"
            " (application/json)."
        )
    if isinstance(body, str) and body:
        raise SerializationException(
            "API Gateway passed the photo as text, which corrupts it; add its media type to the"
            " API's binary media types."
        )
    return {"Image": {"Bytes": body or b""}}


def _path_members(path: Mapping[str, str]) -> list[tuple[str, str]]:
    # API Gateway passes path parameters percent-encoded, `sam local` decoded. No name in a path
    # can contain a percent sign, so decoding a second time changes nothing.
    return [(name, unquote(value)) for name, value in path.items()]


def _query_members(operation: str, known: Mapping[str, Any], query: Query) -> list[tuple[str, Any]]:
    choosing = {variant.parameter for variant in _variants(operation)}
    members: list[tuple[str, Any]] = []
    for name, values in query.items():
        # The signature of a presigned URL is in its query string.
        if name in choosing or name.lower().startswith("x-amz-"):
            continue
        if name not in known:
            raise ValidationException(
                f"{operation} has no query parameter {name[:_MOST_SHOWN]!r}; it has"
                f" {', '.join((*choosing, *known))}."
            )
        members.append((name, _query_value(name, values, shape(known[name]["shape"])["type"])))
    return members


def _query_value(name: str, values: Sequence[str], kind: str) -> Any:
    if kind == "list":
        if len(values) > MOST_IN_QUERY:
            raise ValidationException(
                f"The query parameter {name} occurs {len(values)} times; a URL may have"
                f" {MOST_IN_QUERY}. AWS's own API at POST / accepts more."
            )
        return list(values)
    value = _single(name, values)
    if kind == "string":
        return value
    if kind not in _PARSERS:
        raise SerializationException(f"{name} cannot be given as a query parameter.")
    parsed, wanted = _PARSERS[kind](value), "true or false" if kind == "boolean" else "a number"
    if parsed is None:
        raise SerializationException(
            f"The query parameter {name} must be {wanted}, not {value[:_MOST_SHOWN]!r}."
        )
    return parsed


def _single(name: str, values: Sequence[str]) -> str:
    if len(values) != 1:
        raise ValidationException(f"The query parameter {name} occurs {len(values)} times.")
    return values[0]


def _number(text: str) -> int | float | None:
    # Parsed as JSON: Python's int() would accept "1_000" and digits of other scripts.
    try:
        number = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return number if type(number) in (int, float) else None


_PARSERS: Final[dict[str, Callable[[str], Any]]] = {
    "boolean": {"true": True, "false": False}.get,
    "integer": _number,
    "long": _number,
    "float": _number,
    "double": _number,
}
