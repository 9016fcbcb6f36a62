"""REST requests: members from the path, the query string and the body, by the same names."""

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

# FaceIds that fit into the 10,240 bytes that API Gateway takes of request line and headers.
MOST_IN_QUERY: Final = 100

_RAW: Final = ("image/", "application/octet-stream")
_MOST_SHOWN: Final = 80


def choose_variant(operation: str, query: Query) -> str:
    """The name of what a call on the operation's route wants: the operation, or an extension.

    Raises:
        ValidationException: the parameter that chooses has another value.
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
    headers: Mapping[str, str],
    path: Mapping[str, str],
    query: Query,
    body: str | bytes,
) -> dict[str, Any]:
    """Join path, query and body into the members of a request.

    A body of type ``image/*`` or ``application/octet-stream`` is the request's ``Image.Bytes``;
    any other is a JSON object. A member given in two places must not differ.

    Args:
        operation: the operation's name in the service model.
        headers: by lower-case name.
        path: the path parameters of the route.
        query: every value of every query parameter.
        body: text, or bytes where API Gateway passed it in base64.

    Raises:
        SerializationException: the body is neither JSON nor a photo where one is wanted, or a
            query parameter has the wrong type.
        ValidationException: a query parameter is unknown, or a member is given twice.
    """
    known = shape(input_shape(operation))["members"]
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
                f"{error} To send a photo as it is, say Content-Type: image/jpeg or image/png."
            ) from None
    if "Image" not in known:
        raise SerializationException(
            f"{operation} takes no photo as its body; send a JSON object (application/json)."
        )
    if isinstance(body, str) and body:
        raise SerializationException(
            "The photo came through API Gateway as text, which spoils it; its type must be among"
            " the API's binary media types."
        )
    return {"Image": {"Bytes": body or b""}}


def _path_members(path: Mapping[str, str]) -> list[tuple[str, str]]:
    # API Gateway hands on path parameters as they were sent. Nothing that a path can name has a
    # percent sign, so decoding what somebody has decoded already changes nothing.
    return [(name, unquote(value)) for name, value in path.items()]


def _query_members(operation: str, known: Mapping[str, Any], query: Query) -> list[tuple[str, Any]]:
    choosing = {variant.parameter for variant in _variants(operation)}
    members: list[tuple[str, Any]] = []
    for name, values in query.items():
        # A presigned request carries its signature there.
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
                f"The query parameter {name} is given {len(values)} times; a URL has room for"
                f" {MOST_IN_QUERY}. AWS's own API at POST / takes more."
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
        raise ValidationException(f"The query parameter {name} is given {len(values)} times.")
    return values[0]


def _number(text: str) -> int | float | None:
    # As in a JSON body: Python's own int() would take "1_000" and other scripts' digits.
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
