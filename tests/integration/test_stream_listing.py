"""Listing stream processors page by page through the front door."""

from __future__ import annotations

from tests.integration.stream_requests import endpoint, good, messages, named, refused

__all__ = ["endpoint", "messages"]


def test_processors_are_listed_page_by_page() -> None:
    names = ["c", "a", "b", "d"]
    for name in names:
        good("CreateStreamProcessor", **named(Name=name))
    listed, token = [], None
    for _ in range(2):
        members = {"MaxResults": 2} | ({"NextToken": token} if token else {})
        page = good("ListStreamProcessors", **members)
        listed += page["StreamProcessors"]
        token = page.get("NextToken")
    assert listed == [{"Name": name, "Status": "STOPPED"} for name in names]
    assert token is None
    assert good("ListStreamProcessors", MaxResults=1_000_000)["StreamProcessors"] == listed


def test_page_token_is_valid_for_its_listing_only() -> None:
    for name in ("a", "b"):
        good("CreateStreamProcessor", **named(Name=name))
        good("CreateCollection", CollectionId=name)
    other = good("ListCollections", MaxResults=1)["NextToken"]
    for token in (other, "forged", " "):
        code, message = refused("ListStreamProcessors", NextToken=token)
        assert (code, "NextToken" in message) == ("InvalidPaginationTokenException", True)
    listed = good("ListStreamProcessors")
    assert good("ListStreamProcessors", NextToken="") == listed
