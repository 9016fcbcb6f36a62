"""MaxResults follows one rule in every operation, which agrees with the service model."""

from __future__ import annotations

import re
from typing import Any

import pytest

from facedex.api import errors
from facedex.api.catalog import OPERATIONS
from facedex.api.documents import MOST_MATCHES, MOST_USERS
from facedex.api.openapi.examples import PARAMETERS
from facedex.api.pages import Page, PageTokens, largest_page
from facedex.api.reading import read_request
from facedex.api.service_model import input_shape, shape

# By operation, from the service model: minimum, maximum or None, and the documented default.
PAGED: dict[str, tuple[int, int | None, int]] = {
    "ListCollections": (0, 4096, 4096),
    "ListFaces": (0, 4096, 4096),
    "ListUsers": (1, 500, 500),
    "ListStreamProcessors": (1, None, 1000),
    "GetFaceSearch": (1, None, 1000),
    "GetFaceDetection": (1, None, 1000),
}
TOKENS = PageTokens(b"key", "list")


def members(operation: str) -> dict[str, Any]:
    found: dict[str, Any] = shape(input_shape(operation))["members"]
    return found


def request(operation: str, **more: Any) -> dict[str, Any]:
    required = shape(input_shape(operation)).get("required", ())
    return {name: PARAMETERS[name] for name in required} | more


def documented(operation: str) -> list[int]:
    """Return the default that the documentation states, if it states one."""
    text = members(operation)["MaxResults"]["documentation"]
    return [int(number) for number in re.findall(r"default (?:value )?is (\d+)", text)]


def test_the_table_has_every_operation_with_pages() -> None:
    assert {name for name in OPERATIONS if "NextToken" in members(name)} == set(PAGED)
    for name, (low, high, default) in PAGED.items():
        size = shape(members(name)["MaxResults"]["shape"])
        assert (size.get("min"), size.get("max")) == (low, high)
        assert documented(name) in ([default], [])


@pytest.mark.parametrize("operation", PAGED)
def test_max_results_outside_the_range_is_refused(operation: str) -> None:
    low, high, _ = PAGED[operation]
    for refused in (low - 1, -1, *([high + 1] if high else [])):
        with pytest.raises(errors.ValidationException, match="maxResults"):
            read_request(operation, request(operation, MaxResults=refused))
    for accepted in (low, 1, 7, high or 10_000):
        read = read_request(operation, request(operation, MaxResults=accepted))
        assert read["MaxResults"] == accepted


@pytest.mark.parametrize("operation", PAGED)
def test_pages_have_the_size_that_the_documentation_states(operation: str) -> None:
    low, high, default = PAGED[operation]
    assert largest_page(operation) == default
    sizes: dict[int | None, int] = {None: default, 1: 1, 7: 7, default: default}
    if low == 0:
        sizes[0] = default
    if high is None:
        sizes[default + 1] = sizes[1_000_000] = default
    for asked, size in sizes.items():
        asking = {} if asked is None else {"MaxResults": asked}
        page = Page(asking, TOKENS, largest=largest_page(operation))
        items, token = page.split(range(size + 1), lambda number: number)
        assert len(items) == size
        assert token
        assert page.limit == size + 1


@pytest.mark.parametrize("operation", PAGED)
def test_an_empty_token_is_valid_and_asks_for_the_first_page(operation: str) -> None:
    read = read_request(operation, request(operation, NextToken=""))
    assert Page(read, TOKENS, largest=largest_page(operation)).after is None


@pytest.mark.parametrize(
    ("operation", "member", "most"),
    [
        ("SearchFaces", "MaxFaces", MOST_MATCHES),
        ("SearchFacesByImage", "MaxFaces", MOST_MATCHES),
        ("SearchUsers", "MaxUsers", MOST_USERS),
        ("SearchUsersByImage", "MaxUsers", MOST_USERS),
    ],
)
def test_searches_without_a_number_return_as_many_as_the_range_allows(
    operation: str, member: str, most: int
) -> None:
    size = shape(members(operation)[member]["shape"])
    assert (size["min"], size["max"]) == (1, most)
