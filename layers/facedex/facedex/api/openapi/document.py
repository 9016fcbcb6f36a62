"""The OpenAPI 3.1 document of the REST routes, made from the catalog and the service model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from facedex.api import errors
from facedex.api.catalog import OPERATIONS, VARIANTS, Operation
from facedex.api.media_types import JSON, PHOTO_TYPES
from facedex.api.openapi import examples
from facedex.api.openapi.prose import sentences, shorten
from facedex.api.openapi.schemas import Components, Schema, describe
from facedex.api.rest import MOST_IN_QUERY
from facedex.api.service_model import input_shape, output_shape, service_model, shape

_IMAGE: Final = "Image"
_LONGEST_DESCRIPTION: Final = 380

# The last prefix that matches an operation's path determines its tag.
_TAGS: Final = (
    ("/v1/collections", "Collections", "Collections of faces."),
    ("/v1/collections/{CollectionId}/", "Faces", "Face records of a collection."),
    ("/v1/collections/{CollectionId}/users", "Users", "People in a collection, and their faces."),
    ("/v1/collections/{CollectionId}/search/users", "Users", ""),
    ("/v1/faces", "Photos", "Faces in photos; nothing is stored."),
    ("/v1/video", "Stored video", "People and faces in stored videos."),
    ("/v1/stream-processors", "Streaming video", "People in live video."),
    ("/v1/tags", "Tags", "Your own names and values on collections and stream processors."),
)

_DESCRIPTION: Final = """\
Fields have the same names, types, limits and errors as in AWS's own API, which is served at
`POST /` for every AWS SDK; these routes are the same operations for plain HTTP clients. Where a
request has an `Image`, the photo itself can be the body, and the other members are query
parameters. Descriptions are shortened from AWS's service model (Apache-2.0)."""

_REQUEST_ID: Final = {"x-amzn-RequestId": {"$ref": "#/components/headers/RequestId"}}


def document(version: str) -> dict[str, Any]:
    """Return the document; it depends on nothing but the version.

    Args:
        version: version of this product.
    """
    asked, answered = Components(), Components(lists_may_be_empty=True)
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS.values():
        described = _operation(operation, asked, answered)
        paths.setdefault(operation.path, {})[operation.method.lower()] = described
    schemas = {**asked.schemas, **answered.schemas, "Error": _ERROR}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Facedex",
            "version": version,
            "summary": "Amazon Rekognition's face collections, self-hosted",
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        # Signing is optional unless the setting FACEDEX_AUTH requires it.
        "security": [{}, {"sigv4": []}],
        "tags": [{"name": name, "description": text} for _, name, text in _TAGS if text],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "headers": {"RequestId": _REQUEST_ID_HEADER},
            "securitySchemes": {"sigv4": _SIGV4},
        },
    }


_ERROR: Final[Schema] = {
    "type": "object",
    "description": "What went wrong.",
    "required": ["__type", "Code", "Logref", "Message"],
    "properties": {
        "__type": {"type": "string", "description": "The error's code, as in AWS's SDKs."},
        "Code": {"type": "string", "description": "The error's code again."},
        "Logref": {"type": "string", "description": "The request's id in the service's log."},
        "Message": {"type": "string", "description": "What was wrong and how to correct it."},
    },
}
_REQUEST_ID_HEADER: Final = {
    "description": "Identifies the request in the service's log.",
    "schema": {"type": "string"},
}
# As API Gateway describes IAM authorization, so that it can import the document.
_SIGV4: Final = {
    "type": "apiKey",
    "name": "Authorization",
    "in": "header",
    "description": "AWS Signature Version 4.",
    "x-amazon-apigateway-authtype": "awsSigv4",
}


def _operation(operation: Operation, asked: Components, answered: Components) -> dict[str, Any]:
    model = service_model()["operations"][operation.name]
    request = shape(input_shape(operation.name))
    in_path = frozenset(re.findall(r"{(\w+)}", operation.path))
    has_body = operation.method == "POST"
    in_query = [
        member
        for member in request["members"]
        if member not in in_path and (not has_body or _IMAGE in request["members"])
    ]
    photo_or_json = has_body and _IMAGE in request["members"]
    parameters = [
        *(_parameter(request, asked, member, "path") for member in sorted(in_path)),
        *_variant_parameters(operation),
        *(
            _parameter(request, asked, member, "query", optional=photo_or_json)
            for member in in_query
            if member != _IMAGE
        ),
        *_members_of_variants(operation, request, asked),
    ]
    body: dict[str, Any] = {}
    if has_body:
        name = input_shape(operation.name)
        asked.schemas[name] = asked.structure(request, without=in_path)
        body = {"requestBody": _request_body(operation, asked.schemas[name], name)}
    return {
        "operationId": operation.name,
        "tags": [tag for prefix, tag, _ in _TAGS if operation.path.startswith(prefix)][-1:],
        "summary": sentences(model["documentation"])[0].rstrip("."),
        "description": shorten(model["documentation"], _LONGEST_DESCRIPTION),
        "parameters": parameters,
        **body,
        "responses": {"200": _success(operation, answered), **_failures(model)},
    }


def _parameter(
    request: Mapping[str, Any],
    components: Components,
    member: str,
    place: str,
    *,
    optional: bool = False,
) -> dict[str, Any]:
    definition = request["members"][member]
    required = member in request.get("required", ()) and not optional
    about = describe(definition.get("documentation", ""))
    if member == "ResourceArn":
        about += " In a path its slash is written %2F."
    schema = components.refer(definition["shape"])
    if place == "query" and schema.get("maxItems", 0) > MOST_IN_QUERY:
        schema["maxItems"] = MOST_IN_QUERY
        about += f" A URL has room for {MOST_IN_QUERY}."
    example = {"example": examples.PARAMETERS[member]} if member in examples.PARAMETERS else {}
    return {
        "name": member,
        "in": place,
        "required": required,
        "description": about,
        "schema": schema,
        **(example if required else {}),
    }


def _variant_parameters(operation: Operation) -> list[dict[str, Any]]:
    return [
        {
            "name": variant.parameter,
            "in": "query",
            "required": False,
            "description": service_model()["operations"][variant.name]["documentation"]
            + " An extension to AWS's API.",
            "schema": {
                "type": "string",
                "enum": [variant.default, variant.value],
                "default": variant.default,
            },
        }
        for variant in VARIANTS.values()
        if variant.operation == operation.name
    ]


def _members_of_variants(
    operation: Operation, request: Mapping[str, Any], components: Components
) -> list[dict[str, Any]]:
    """Return the query parameters that only an extension of a GET route has."""
    if operation.method != "GET":
        return []
    return [
        _parameter(shape(input_shape(variant.name)), components, member, "query", optional=True)
        for variant in VARIANTS.values()
        if variant.operation == operation.name
        for member in shape(input_shape(variant.name))["members"]
        if member not in request["members"]
    ]


def _request_body(operation: Operation, schema: Schema, name: str) -> dict[str, Any]:
    example = examples.REQUESTS.get(operation.name)
    content: dict[str, Any] = {
        JSON: {
            "schema": {"$ref": f"#/components/schemas/{name}"},
            **({"example": example} if example else {}),
        }
    }
    if _IMAGE in schema["properties"]:
        longest = shape("ImageBlob")["max"]
        for media_type in PHOTO_TYPES:
            # A body of bytes has no JSON type: a schema can limit its length only.
            content[media_type] = {"schema": {"contentMediaType": media_type, "maxLength": longest}}
    return {"required": bool(schema.get("required")), "content": content}


def _success(operation: Operation, components: Components) -> dict[str, Any]:
    names = [
        operation.name,
        *(variant.name for variant in VARIANTS.values() if variant.operation == operation.name),
    ]
    schemas = [components.refer(output_shape(name)) for name in names]
    shown = {
        name: {"value": examples.RESPONSES[name]} for name in names if name in examples.RESPONSES
    }
    content = {
        "schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas},
        **({"examples": shown} if shown else {}),
    }
    return {"description": "Success.", "headers": _REQUEST_ID, "content": {JSON: content}}


def _failures(model: Mapping[str, Any]) -> dict[str, Any]:
    codes = {error["shape"] for error in model.get("errors", ())} | _protocol_errors()
    by_status: dict[int, list[str]] = {}
    for code in sorted(codes | {"InternalServerError"}):
        by_status.setdefault(_status(code), []).append(code)
    return {str(status): _failure(by_status[status]) for status in sorted(by_status)}


def _failure(codes: Iterable[str]) -> dict[str, Any]:
    listed = list(codes)
    schema = {
        "allOf": [
            {"$ref": "#/components/schemas/Error"},
            {"properties": {"__type": {"enum": listed}}},
        ]
    }
    return {
        "description": "\n".join(f"- `{code}`: {_meaning(code)}" for code in listed),
        "headers": _REQUEST_ID,
        "content": {JSON: {"schema": schema}},
    }


def _classes() -> dict[str, type[errors.ServiceError]]:
    # Other modules define errors of their own, which are never returned to a caller of the API.
    kinds = errors.ServiceError.__subclasses__()
    return {kind.__name__: kind for kind in kinds if kind.__module__ == errors.__name__}


def _protocol_errors() -> set[str]:
    """Return the codes that the service model lacks; any request may fail with one of them."""
    return set(_classes()) - set(service_model()["shapes"])


def _status(code: str) -> int:
    if code in _classes():
        return _classes()[code].status
    return 500 if shape(code).get("fault") else 400


def _meaning(code: str) -> str:
    known = _classes().get(code)
    if known and known.__doc__:
        return " ".join(known.__doc__.split())
    return sentences(shape(code)["documentation"])[0]
