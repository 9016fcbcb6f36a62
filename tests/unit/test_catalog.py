"""The catalog and what is derived from it agree."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from facedex.api.catalog import OPERATIONS, OTHER_FUNCTIONS, Operation
from facedex.api.service_model import input_shape, service_model, shape
from facedex.runtime import handlers
from facedex.runtime.operation import Endpoint

ROOT = Path(__file__).resolve().parents[2]
ROWS = pytest.mark.parametrize("row", OPERATIONS.values(), ids=lambda row: row.name)
CHANGES = {
    "AssociateFaces",
    "CreateCollection",
    "CreateStreamProcessor",
    "CreateUser",
    "DeleteCollection",
    "DeleteFaces",
    "DeleteStreamProcessor",
    "DeleteUser",
    "DisassociateFaces",
    "IndexFaces",
    "StartFaceDetection",
    "StartFaceSearch",
    "StartStreamProcessor",
    "StopStreamProcessor",
    "TagResource",
    "UntagResource",
    "UpdateStreamProcessor",
}


@ROWS
def test_every_operation_is_one_of_the_service_model(row: Operation) -> None:
    assert row.name in service_model()["operations"]


@ROWS
def test_every_operation_has_a_handler_of_its_own_name(row: Operation) -> None:
    assert row.function == re.sub(r"(?<!^)(?=[A-Z])", "_", row.name).lower()
    assert isinstance(handlers.endpoint(row.name), Endpoint)
    assert handlers.endpoint(row.name).name == row.name


@ROWS
def test_every_placeholder_is_a_required_member_of_the_request(row: Operation) -> None:
    required = shape(input_shape(row.name)).get("required", [])
    assert set(re.findall(r"{(\w+)}", row.path)) <= set(required)


@ROWS
def test_every_operation_says_whether_it_changes_anything(row: Operation) -> None:
    assert row.changes is (row.name in CHANGES)


@ROWS
def test_every_operation_has_a_sample_event_of_its_route(row: Operation) -> None:
    event = json.loads((ROOT / "events" / f"{row.function}.json").read_text())
    assert (event["httpMethod"], event["resource"]) == (row.method, row.path)
    placeholders = set(re.findall(r"{(\w+)}", row.path))
    assert set(event["pathParameters"] or {}) == placeholders


@ROWS
def test_every_operation_is_described_with_its_route(row: Operation) -> None:
    described = (ROOT / "docs" / "operations.md").read_text()
    assert f"| {row.name} | `{row.method} {row.path}` |" in described
    _, _, table = (ROOT / "README.md").read_text().partition("## What works")
    assert re.search(rf"\b{row.name}\b", table)


@ROWS
def test_every_operation_on_video_has_a_page_that_explains_it(row: Operation) -> None:
    pages = {"/v1/video/": "video.md", "/v1/stream-processors": "streams.md"}
    for prefix, page in pages.items():
        if row.path.startswith(prefix):
            text = (ROOT / "docs" / page).read_text()
            assert re.search(rf"\b{row.name}\b", text)


def test_every_worker_has_a_handler() -> None:
    assert all(callable(handlers.load(row.function)) for row in OTHER_FUNCTIONS.values())


def test_no_two_operations_share_a_route() -> None:
    routes = [(row.method, row.path) for row in OPERATIONS.values()]
    assert len(set(routes)) == len(routes)


def test_no_word_of_a_path_stands_where_another_path_has_a_placeholder() -> None:
    """API Gateway would mistake a user of the same name for the path part, and find no method."""
    paths = sorted({row.path for row in OPERATIONS.values()})
    for path in paths:
        pattern = re.compile(re.sub(r"{\w+}", "[^/]+", path))
        assert [other for other in paths if pattern.fullmatch(other)] == [path]


def test_every_function_folder_and_event_has_a_row() -> None:
    functions = {row.function for row in OPERATIONS.values()} | set(OTHER_FUNCTIONS)
    folders = {
        path.parent.name for path in (ROOT / "functions" / "facedex_functions").glob("*/handler.py")
    }
    events = {path.stem for path in (ROOT / "events").glob("*.json")}
    assert folders == functions
    assert events == functions
