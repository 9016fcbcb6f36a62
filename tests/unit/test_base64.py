"""Blobs in requests: every common spelling of base64 is read, and a fault is named."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest

from facedex.api.errors import SerializationException
from facedex.api.reading import read_request


@pytest.mark.parametrize(
    "spell",
    [
        lambda text: "\n".join(text[at : at + 76] for at in range(0, len(text), 76)) + "\r\n",
        lambda text: text.rstrip("="),
        lambda text: text + "==",
        lambda text: text.replace("+", "-").replace("/", "_"),
        lambda text: f"data:image/jpeg;base64,{text}",
    ],
    ids=["wrapped", "unpadded", "padded-twice", "url", "data-url"],
)
def test_blobs_are_read_in_every_common_spelling(spell: Callable[[str], str]) -> None:
    blob = bytes(range(256)) + b"\xff\xfe\xfd\xfb"
    request = {"Image": {"Bytes": spell(base64.b64encode(blob).decode())}}
    assert read_request("DetectFaces", request)["Image"]["Bytes"] == blob


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("abcde", "it has one character too many or is cut off"),
        ("data:image/jpeg;base64,abcde", "it has one character too many or is cut off"),
        ("ab=c", "only its end may have '='"),
        ("abcd%%%", "the character '%' at position 5 is not of base64"),
        ("data:image/jpeg,abcd", "the character ':' at position 5 is not of base64"),
        ("data:image/jpeg;base64,ab!d", "the character '!' at position 26 is not of base64"),
        ("\xc4b==", "the character '\\xc4' at position 1 is not of base64"),
        ("ab\0d", "the character '\\x00' at position 3 is not of base64"),
    ],
)
def test_what_is_wrong_is_named(text: str, fault: str) -> None:
    with pytest.raises(SerializationException) as caught:
        read_request("DetectFaces", {"Image": {"Bytes": text}})
    assert str(caught.value) == f"'image.bytes' must be base64-encoded bytes: {fault}."
