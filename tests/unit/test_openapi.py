"""The OpenAPI document agrees with the catalog and the service model."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

import botocore.session
import jsonschema_rs
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from facedex.api import extensions
from facedex.api.catalog import OPERATIONS, VARIANTS, Operation
from facedex.api.media_types import PHOTO_TYPES
from facedex.api.openapi.document import document
from facedex.api.openapi.examples import REQUESTS, RESPONSES
from facedex.api.openapi.prose import sentences, shorten
from facedex.api.openapi.schemas import ecma_pattern
from facedex.api.service_model import input_shape, output_shape, service_model, shape

DOCUMENT = document("1.2.3")
SCHEMAS = DOCUMENT["components"]["schemas"]
ROWS = pytest.mark.parametrize("row", OPERATIONS.values(), ids=lambda row: row.name)


def described(row: Operation) -> dict[str, Any]:
    found: dict[str, Any] = DOCUMENT["paths"][row.path][row.method.lower()]
    return found


def parameters(row: Operation, place: str) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in described(row)["parameters"] if each["in"] == place}


def violations(schema: dict[str, Any], value: object) -> list[str]:
    whole = {**schema, "components": DOCUMENT["components"]}
    validator = jsonschema_rs.Draft202012Validator(whole)
    return [error.message for error in validator.iter_errors(value)]


def test_the_document_is_valid() -> None:
    assert list(OpenAPIV31SpecValidator(DOCUMENT).iter_errors()) == []
    assert DOCUMENT["info"]["version"] == "1.2.3"
    assert DOCUMENT["info"]["license"]["identifier"] == "Apache-2.0"


def test_the_document_is_the_same_every_time() -> None:
    assert json.dumps(document("1.2.3")) == json.dumps(DOCUMENT)


def test_the_document_has_the_catalogs_rows_and_nothing_else() -> None:
    told = {
        (method.upper(), path, operation["operationId"])
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
    }
    assert told == {(row.method, row.path, row.name) for row in OPERATIONS.values()}


@ROWS
def test_every_placeholder_of_a_path_is_declared(row: Operation) -> None:
    declared = parameters(row, "path")
    assert set(declared) == set(re.findall(r"{(\w+)}", row.path))
    assert all(parameter["required"] for parameter in declared.values())


@ROWS
def test_every_member_of_a_request_has_a_place(row: Operation) -> None:
    members = set(shape(input_shape(row.name))["members"])
    body = described(row).get("requestBody")
    in_body = set(SCHEMAS[input_shape(row.name)]["properties"]) if body else set()
    choosing = {variant.parameter for variant in VARIANTS.values()}
    in_url = set(parameters(row, "path")) | set(parameters(row, "query")) - choosing
    # An extension of a GET route may have members of its own.
    extended = {
        member
        for variant in VARIANTS.values()
        if variant.operation == row.name and row.method == "GET"
        for member in shape(input_shape(variant.name))["members"]
    }
    assert in_url | in_body == members | extended
    # With a photo as the body, the other members are in the query string.
    photo = "image/jpeg" in body["content"] if body else False
    assert photo == ("Image" in members)
    if photo:
        assert in_url | {"Image"} == members
        assert body is not None
        assert set(PHOTO_TYPES) < set(body["content"])


@ROWS
def test_the_document_lists_every_error_of_the_service_model(row: Operation) -> None:
    told = {
        code: status
        for status, response in described(row)["responses"].items()
        if status != "200"
        for code in response["content"]["application/json"]["schema"]["allOf"][1]["properties"][
            "__type"
        ]["enum"]
    }
    errors = {error["shape"] for error in service_model()["operations"][row.name]["errors"]}
    assert errors <= set(told)
    assert told["ValidationException"] == told["SerializationException"] == "400"
    assert (told["RequestEntityTooLargeException"], told["InternalServerError"]) == ("413", "500")


@ROWS
def test_every_operation_says_what_it_is(row: Operation) -> None:
    operation = described(row)
    assert operation["summary"]
    assert operation["summary"] in operation["description"]
    (tag,) = operation["tags"]
    assert tag in {each["name"] for each in DOCUMENT["tags"]}
    assert "no longer available" not in operation["description"]
    assert operation["responses"]["200"]["content"]["application/json"]["schema"]


def test_constraints_of_the_service_model_are_kept() -> None:
    assert SCHEMAS["CollectionId"] == {
        "type": "string",
        "minLength": 1,
        "maxLength": 255,
        "pattern": r"^[a-zA-Z0-9_.\-]+$",
    }
    assert SCHEMAS["QualityFilter"]["enum"] == ["NONE", "AUTO", "LOW", "MEDIUM", "HIGH"]
    assert (SCHEMAS["MaxFaces"]["minimum"], SCHEMAS["MaxFaces"]["maximum"]) == (1, 4096)
    assert SCHEMAS["ImageBlob"]["contentEncoding"] == "base64"
    assert SCHEMAS["ImageBlob"]["maxLength"] == 6_990_508
    assert SCHEMAS["SearchFacesByImageRequest"]["required"] == ["Image"]
    wanted = SCHEMAS["DeleteFacesRequest"]["properties"]["FaceIds"]
    answered = SCHEMAS["DeleteFacesResponse"]["properties"]["DeletedFaces"]
    assert (wanted["minItems"], "minItems" in answered) == (1, False)


def test_patterns_need_no_unicode_mode() -> None:
    """The pattern of tags is exact for ASCII and accepts all other characters."""
    pattern = re.compile(SCHEMAS["TagValue"]["pattern"])
    for code in range(128):
        letter = chr(code)
        fits = unicodedata.category(letter)[0] in "LNZ" or letter in "_.:/=+-@"
        assert bool(pattern.fullmatch(letter)) == fits
    assert pattern.fullmatch("Büro 東京")
    assert not re.search(SCHEMAS["TagKey"]["pattern"], "aws:mine")
    assert r"\p" not in json.dumps(SCHEMAS)
    assert ecma_pattern("^[a-zA-Z0-9-_]+$") == r"^[a-zA-Z0-9_\-]+$"


def test_a_pattern_allows_arns_of_every_partition() -> None:
    pattern = ecma_pattern(r"(^arn:aws:sns:.*:\w{12}:.+$)")
    for partition in ("aws", "aws-cn", "aws-us-gov"):
        assert re.search(pattern, f"arn:{partition}:sns:any:123456789012:done")
    assert not re.search(pattern, "arn:other:sns:any:123456789012:done")


@pytest.mark.parametrize("name", REQUESTS)
def test_examples_of_requests_are_valid(name: str) -> None:
    schema = {"$ref": f"#/components/schemas/{input_shape(name)}"}
    assert violations(schema, REQUESTS[name]) == []
    assert violations(schema, {**REQUESTS[name], next(iter(REQUESTS[name])): 5})


@pytest.mark.parametrize("name", RESPONSES)
def test_examples_of_responses_are_valid(name: str) -> None:
    schema = {"$ref": f"#/components/schemas/{output_shape(name)}"}
    assert violations(schema, RESPONSES[name]) == []
    assert violations(schema, {**RESPONSES[name], next(iter(RESPONSES[name])): None})


@ROWS
def test_every_required_member_is_shown_in_an_example(row: Operation) -> None:
    for each in (*parameters(row, "path").values(), *parameters(row, "query").values()):
        assert not each["required"] or each["example"]
    if "requestBody" in described(row):
        needed = SCHEMAS[input_shape(row.name)].get("required", [])
        assert set(needed) <= set(REQUESTS.get(row.name, {}))


def test_searching_with_every_face_is_documented_as_an_option_of_the_route() -> None:
    row = OPERATIONS["SearchFacesByImage"]
    option = parameters(row, "query")["faces"]
    assert option["schema"] == {
        "type": "string",
        "enum": ["largest", "all"],
        "default": "largest",
    }
    answer = described(row)["responses"]["200"]["content"]["application/json"]["schema"]
    assert [each["$ref"].rpartition("/")[2] for each in answer["anyOf"]] == [
        "SearchFacesByImageResponse",
        "SearchAllFacesByImageResponse",
    ]


def test_names_of_extensions_are_not_aws_names() -> None:
    """No name of an extension is an AWS name, so no AWS operation or shape changes."""
    aws = botocore.session.get_session().get_service_model("rekognition")
    assert not set(extensions.SHAPES) & set(aws.shape_names)
    assert not set(extensions.OPERATIONS) & {*aws.operation_names, *OPERATIONS}
    assert set(extensions.OPERATIONS) == set(VARIANTS)
    assert {variant.operation for variant in VARIANTS.values()} <= set(OPERATIONS)


def test_documentation_becomes_short_plain_text() -> None:
    html = (
        "<p>Finds <i>faces</i> &amp; more. </p> <note> <p>If you use the AWS CLI, wait.</p>"
        "</note><p>Call <a>ListFaces</a> next. Then stop.</p>"
    )
    assert sentences(html) == ["Finds faces & more.", "Call ListFaces next.", "Then stop."]
    assert shorten(html, 45) == "Finds faces & more. Call ListFaces next."
    assert shorten(html, 3) == "Finds faces & more."
