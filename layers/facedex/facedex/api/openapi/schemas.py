"""Conversion of the service model's shapes to JSON Schemas for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from facedex.api.openapi.prose import shorten
from facedex.api.service_model import Shape, shape

Schema = dict[str, Any]

_LONGEST_DESCRIPTION: Final = 240
_SCALARS: Final[Mapping[str, Schema]] = {
    "string": {"type": "string"},
    "boolean": {"type": "boolean"},
    "integer": {"type": "integer", "format": "int32"},
    "long": {"type": "integer", "format": "int64"},
    "float": {"type": "number", "format": "float"},
    "double": {"type": "number", "format": "double"},
    "timestamp": {"type": "number", "description": "Seconds since 1970."},
    "blob": {"type": "string", "contentEncoding": "base64"},
}
# The keywords for the minimum and the maximum of each JSON type.
_BOUNDS: Final[Mapping[str, tuple[str, str]]] = {
    "string": ("minLength", "maxLength"),
    "array": ("minItems", "maxItems"),
    "object": ("minProperties", "maxProperties"),
    "integer": ("minimum", "maximum"),
    "number": ("minimum", "maximum"),
}


class Components:
    """Component schemas of a document, created when they are first referenced.

    Structures, and scalars with constraints, become components with the name of their shape;
    lists, maps and plain scalars are written inline.

    Args:
        lists_may_be_empty: whether to omit the minimum length of lists. Requests and responses
            share shapes, but minimum lengths apply to requests only.
    """

    def __init__(self, *, lists_may_be_empty: bool = False) -> None:
        self.schemas: dict[str, Schema] = {}
        self._lists_may_be_empty = lists_may_be_empty

    def refer(self, name: str, documentation: str = "") -> Schema:
        """Return the schema for a value of the named shape.

        Args:
            name: name of the shape.
            documentation: AWS's documentation of the member that has the value.
        """
        definition = shape(name)
        described = {"description": describe(documentation)} if documentation else {}
        if definition["type"] in ("list", "map") or not _is_worth_a_name(definition):
            return {**self._define(definition), **described}
        if name not in self.schemas:
            self.schemas[name] = {}  # shapes may contain themselves
            self.schemas[name] = self._define(definition)
        return {"$ref": f"#/components/schemas/{name}", **described}

    def structure(self, definition: Shape, *, without: frozenset[str] = frozenset()) -> Schema:
        """Return the schema of a structure.

        Args:
            definition: the structure's shape.
            without: members to omit.
        """
        members = {
            member: self.refer(body["shape"], body.get("documentation", ""))
            for member, body in definition["members"].items()
            if member not in without
        }
        required = [member for member in definition.get("required", ()) if member in members]
        return {
            "type": "object",
            **({"required": required} if required else {}),
            "properties": members,
        }

    def _define(self, definition: Shape) -> Schema:
        schema = self._bare(definition)
        bounds = {key: definition[key] for key in ("min", "max") if key in definition}
        if definition["type"] == "blob":
            # The service model counts bytes; a schema counts the characters of their base64.
            bounds = {key: -(-value // 3) * 4 for key, value in bounds.items()}
        if self._lists_may_be_empty and definition["type"] == "list":
            bounds.pop("min", None)
        for key, keyword in zip(("min", "max"), _BOUNDS.get(schema["type"], ()), strict=False):
            if key in bounds:
                schema[keyword] = bounds[key]
        if "enum" in definition:
            schema["enum"] = list(definition["enum"])
        if "pattern" in definition:
            schema["pattern"] = ecma_pattern(definition["pattern"])
        if definition.get("documentation"):
            schema["description"] = describe(definition["documentation"])
        return schema

    def _bare(self, definition: Shape) -> Schema:
        match definition["type"]:
            case "structure":
                return self.structure(definition)
            case "list":
                return {"type": "array", "items": self.refer(definition["member"]["shape"])}
            case "map":
                return {
                    "type": "object",
                    "propertyNames": self.refer(definition["key"]["shape"]),
                    "additionalProperties": self.refer(definition["value"]["shape"]),
                }
            case kind:
                return dict(_SCALARS[kind])


def describe(documentation: str) -> str:
    """Shorten AWS's documentation of a shape or member to a sentence or two."""
    return shorten(documentation, _LONGEST_DESCRIPTION)


def ecma_pattern(pattern: str) -> str:
    """Convert a pattern of the service model from Java's syntax to ECMA-262's.

    A pattern of the service model has to match the complete value, one of JSON Schema any part of
    it, so the result is anchored. Hyphens inside character classes are escaped. ARNs may be of any
    partition, as in requests.
    """
    body = pattern.removeprefix("^").removesuffix("$").replace(_TAG_CHARACTERS, _NOT_IN_TAGS)
    body = body.replace("arn:aws:", "arn:aws(-[a-z]+)*:")
    return f"^{body.replace('9-_]', _ESCAPED_HYPHEN)}$"


# ECMA-262 has Unicode categories in its Unicode mode only, which not every validator uses. The
# replacement is the complement of the ASCII characters that the class excludes.
_TAG_CHARACTERS: Final = r"[\p{L}\p{Z}\p{N}_.:/=+\-@]"
_NOT_IN_TAGS: Final = r"[^\x00-\x1f!-*,;<>?\[-^`{-\x7f]"
_ESCAPED_HYPHEN: Final = r"9_\-]"


def _is_worth_a_name(definition: Shape) -> bool:
    constrained = any(key in definition for key in ("enum", "pattern", "min", "max"))
    return definition["type"] == "structure" or constrained
