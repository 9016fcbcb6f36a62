"""REST requests: members from the path, the query string and the body, by the same names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from facedex.api.errors import SerializationException, ValidationException
from facedex.api.gateway import Call
from facedex.api.model import input_shape, shape
from facedex.api.reading import parse_json

_RAW: Final = ("image/", "application/octet-stream")


def read_members(operation: str, call: Call) -> dict[str, Any]:
    """Join path, query and body into the members of a request.

    A body of type ``image/*`` is the request's ``Image.Bytes``; any other is a JSON object. A
    member given in two places must not differ.

    Raises:
        SerializationException: the body is not JSON, or a query parameter has the wrong type.
        ValidationException: a query parameter is unknown, or a member is given twice.
    """
    members = _body_members(call)
    for name, value in {**_query_members(operation, call), **call.path}.items():
        if members.setdefault(name, value) != value:
            raise ValidationException(f"{name} is given twice, with different values.")
    return members


def _body_members(call: Call) -> dict[str, Any]:
    if call.headers.get("content-type", "").lower().startswith(_RAW):
        body = call.body
        return {"Image": {"Bytes": body if isinstance(body, bytes) else body.encode("latin-1")}}
    return parse_json(call.body)


def _query_members(operation: str, call: Call) -> dict[str, Any]:
    known = shape(input_shape(operation))["members"]
    members: dict[str, Any] = {}
    for name, values in call.query.items():
        if name not in known:
            raise ValidationException(
                f"{operation} has no query parameter {name!r}; it has {', '.join(known)}."
            )
        members[name] = _query_value(name, values, shape(known[name]["shape"])["type"])
    return members


def _query_value(name: str, values: Sequence[str], kind: str) -> Any:
    if kind == "list":
        return list(values)
    if len(values) != 1:
        raise ValidationException(f"The query parameter {name} is given {len(values)} times.")
    if kind not in _PARSERS:
        if kind != "string":
            raise SerializationException(f"{name} cannot be given as a query parameter.")
        return values[0]
    try:
        return _PARSERS[kind](values[0])
    except ValueError:
        raise SerializationException(
            f"The query parameter {name} must be a number, not {values[0][:80]!r}."
        ) from None


_PARSERS: Final[dict[str, Callable[[str], Any]]] = {
    "integer": int,
    "long": int,
    "float": float,
    "double": float,
}
