"""Requests that are large for no reason cost little and get one short, exact message."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest

from facedex.api import errors
from facedex.api.catalog import OPERATIONS
from facedex.api.reading import parse_json, read_request
from facedex.api.service_model import input_shape, shape

MANY = 900_000
COLLECTION = "staff"
FACE = "11111111-2222-3333-4444-555555555555"


def refusal(operation: str, members: dict[str, Any]) -> str:
    with pytest.raises((errors.ValidationException, errors.SerializationException)) as caught:
        read_request(operation, members)
    return str(caught.value)


def lists(name: str, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the paths of the lists and maps in a shape, without those inside of lists."""
    definition = shape(name)
    if definition["type"] in ("list", "map"):
        yield path
    elif definition["type"] == "structure" and len(path) < 6:
        for member, body in definition["members"].items():
            yield from lists(body["shape"], (*path, member))


LISTS = [(name, path) for name in OPERATIONS for path in lists(input_shape(name))]


def nested(path: tuple[str, ...], value: object) -> dict[str, Any]:
    for member in reversed(path):
        value = {member: value}
    assert isinstance(value, dict)
    return value


@pytest.mark.parametrize(
    ("operation", "path"), LISTS, ids=[".".join((name, *path)) for name, path in LISTS]
)
def test_the_length_of_every_list_is_checked_before_its_members(
    operation: str, path: tuple[str, ...]
) -> None:
    # A member of the wrong type would be another error, if it was visited.
    for members in ([{"wrong": object()}] * 5000, {str(n): object() for n in range(5000)}):
        message = refusal(operation, nested(path, members))
        if "must be" in message:  # a list where a map belongs
            continue
        assert "Value of 5000 members" in message
        assert message.count("length less than or equal to") == 1
        return
    pytest.fail("accepted")


@pytest.mark.parametrize("members", [["x"] * 4096, ["\0"] * 4096, [FACE, *["y"] * 11]])
def test_the_check_stops_at_ten_findings(members: list[str]) -> None:
    message = refusal("DeleteFaces", {"CollectionId": "a b", "FaceIds": members})
    assert message.startswith("10 validation errors detected: ")
    assert message.count("failed to satisfy constraint") == 10


def test_nine_hundred_thousand_face_ids_take_no_more_memory_than_their_text() -> None:
    body = json.dumps({"CollectionId": COLLECTION, "FaceIds": ["bad id"] * MANY}).encode()
    document = parse_json(body)
    tracemalloc.start()
    try:
        message = refusal("DeleteFaces", document)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert f"Value of {MANY} members at 'faceIds'" in message
    assert message.startswith("1 validation error detected")
    assert peak < 100_000


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("CreateCollection", {"CollectionId": "a" * 10_000_000}),
        ("CreateCollection", {"CollectionId": "a b" * 3_000_000}),
        ("CreateCollection", {"CollectionId": COLLECTION, "Tags": {"k" * 10_000_000: "v"}}),
        ("CreateCollection", {"CollectionId": COLLECTION, "Tags": {"k" * 10_000_000: 5}}),
        ("ListFaces", {"CollectionId": COLLECTION, "NextToken": "é" * 5_000_000}),
        ("SearchFaces", {"CollectionId": COLLECTION, "FaceId": FACE * 300_000}),
        ("SearchUsers", {"CollectionId": COLLECTION, "FaceId": FACE * 300_000}),
        ("DetectFaces", {"Image": {"Bytes": "a " * 5_000_001}}),
        ("DetectFaces", {"Image": {"Bytes": " " * 9_999_999 + "%"}}),
        ("DetectFaces", {"Image": {"Bytes": "data:" * 2_000_000}}),
    ],
)
def test_long_texts_are_refused_without_copies_of_them_in_the_message(
    operation: str, members: dict[str, Any]
) -> None:
    tracemalloc.start()
    try:
        message = refusal(operation, members)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(message) < 2000
    assert peak < 50_000_000


@pytest.mark.parametrize(
    "body",
    [
        "[" * 5_000_000,
        '{"a":' * 1_000_000,
        '{"MaxResults": ' + "9" * 5_000_000 + "}",
        '{"MaxResults": 1e999}',
    ],
    ids=["lists", "structures", "digits", "exponent"],
)
def test_deep_json_and_endless_numbers_are_refused(body: str) -> None:
    with pytest.raises(errors.SerializationException, match="not valid JSON"):
        parse_json(body)


def test_unknown_members_cost_nothing_and_the_last_of_two_equal_keys_counts() -> None:
    unknown = {f"Member{n}": [n] for n in range(100_000)}
    assert read_request("CreateCollection", {"CollectionId": COLLECTION, **unknown}) == {
        "CollectionId": COLLECTION
    }
    twice = parse_json('{"CollectionId": "a", "CollectionId": "b"}')
    assert read_request("CreateCollection", twice) == {"CollectionId": "b"}
