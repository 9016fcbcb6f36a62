"""Requests generated from the shapes of the service model, both valid and nearly valid.

Strings that start with "@" are placeholders for values of a running server, such as a FaceId. The
sender of a request replaces them.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from facedex.api.service_model import Shape, input_shape, shape
from tests.e2e.streaming import NO_DATA, NO_VIDEO

Values = SearchStrategy[Any]

FACES = ("@face:0", "@face:1")
USERS = ("@user:0", "@user:1")
PROCESSORS = ("@processor:idle", "@processor:running")
PHOTOS = ("@photo:face", "@photo:face", "@photo:blank", "@photo:cut", "@photo:tiny", "@photo:text")

# Values that exist, values that do not exist, and for other members values of the shape.
_KNOWN: dict[str, tuple[str, ...]] = {
    "CollectionId": ("@collection", "@collection", "@collection", "nowhere"),
    "FaceId": (*FACES, *FACES, "11111111-2222-3333-4444-555555555555"),
    "UserId": (*USERS, *USERS, "nobody"),
    "ResourceArn": (
        "@arn",
        "@arn",
        "arn:aws:rekognition:us-east-1:123456789012:collection/nowhere",
        "arn:aws:rekognition:us-east-1:123456789012:collection/\0",
        "arn:aws:rekognition:eu-west-1:999999999999:collection/elsewhere",
        "arn:aws:s3:::a-bucket-and-no-collection",
        "@arn:processor",
    ),
    "ImageBlob": PHOTOS,
    "ClientRequestToken": ("once", "twice"),
    "JobId": ("@job:search", "@job:search", "@job:faces", "@job:faces", "f" * 64),
    "PaginationToken": ("", "forged", "a.b.c", "\0"),
    "StreamProcessorName": (*PROCESSORS, *PROCESSORS, "@new", "@new", "nowhere"),
    "KinesisVideoArn": (*[NO_VIDEO] * 4, "arn:aws:kinesisvideo:us-east-1:123456789012:\0"),
    "KinesisDataArn": (*[NO_DATA] * 4, "arn:aws:kinesis:us-east-1:123456789012:stream/a/b"),
}
# Members for which generated values would not exist or would not be photos.
_ONLY_KNOWN = (
    *("FaceId", "ImageBlob", "JobId", "PaginationToken", "ResourceArn"),
    *("KinesisVideoArn", "KinesisDataArn"),
)
# Structures for which the service requires members that are optional in the shape.
_NEEDED = {
    "Image": ("Bytes",),
    "StreamProcessorInput": ("KinesisVideoStream",),
    "StreamProcessorOutput": ("KinesisDataStream",),
    "StreamProcessorSettings": ("FaceSearch",),
    "KinesisVideoStream": ("Arn",),
    "KinesisDataStream": ("Arn",),
    "FaceSearchSettings": ("CollectionId", "FaceMatchThreshold"),
    "CreateStreamProcessorRequest": ("Name", "Input", "Output", "Settings", "RoleArn", "Tags"),
    "StartStreamProcessorRequest": ("Name",),
    "UpdateStreamProcessorRequest": ("Name", "DataSharingPreferenceForUpdate"),
}
_FILM = {"S3Object": {"Bucket": "@bucket", "Name": "@film"}}
_MOST_ITEMS = 4

# Values of each JSON type, and numbers at the limits of members' ranges.
_ANYTHING: tuple[Any, ...] = (
    *(None, True, 0, -1, 2**31, 2**63, 0.5, 1e308, "", "0", "\0", "ä€😀", "x" * 5000),
    *([], [None], [[]], ["@collection"], {}, {"": None}, {"Bytes": {}}),
)


@cache
def good(name: str) -> Values:
    """Return values of the named shape that satisfy its constraints."""
    definition = shape(name)
    if name == "Video":
        return _mostly(st.just(_FILM), definition)
    if name in _NEEDED:
        members = {each: good(definition["members"][each]["shape"]) for each in _NEEDED[name]}
        return _mostly(st.fixed_dictionaries(members), definition)
    if name not in _KNOWN:
        return _of_type(definition)
    known = st.sampled_from(_KNOWN[name])
    return known if name in _ONLY_KNOWN else _mostly(known, definition)


def _mostly(known: Values, definition: Shape) -> Values:
    """Return existing values most of the time: a request for missing things is rejected early."""
    other = _of_type(definition)
    return st.integers(1, 10).flatmap(lambda number: known if number <= 8 else other)


def _of_type(definition: Shape) -> Values:
    low, high = definition.get("min"), definition.get("max")
    match definition["type"]:
        case "structure":
            members = {name: good(body["shape"]) for name, body in definition["members"].items()}
            required = definition.get("required", ())
            return st.fixed_dictionaries(
                {name: members[name] for name in required},
                optional={name: value for name, value in members.items() if name not in required},
            )
        case "list":
            member = good(definition["member"]["shape"])
            return st.lists(member, min_size=low or 0, max_size=_MOST_ITEMS)
        case "map":
            key, value = (good(definition[part]["shape"]) for part in ("key", "value"))
            return st.dictionaries(key, value, min_size=low or 0, max_size=_MOST_ITEMS)
        case "integer" | "long":
            edges = [edge for edge in (low, high) if edge is not None]
            inside = st.integers(low if low is not None else -(2**31), high or 2**31 - 1)
            return st.one_of(st.sampled_from(edges), inside) if edges else inside
        case "float" | "double":
            return st.one_of(st.sampled_from([low, high]), st.floats(low, high))
        case "boolean":
            return st.booleans()
        case _:
            return _text(definition)


def _text(definition: Shape) -> Values:
    if "enum" in definition:
        return st.sampled_from(definition["enum"])
    low, high = definition.get("min", 0), definition.get("max", 1000)
    if "pattern" not in definition:
        return st.text(min_size=low, max_size=min(high, 20))
    pattern = definition["pattern"].replace(r"\p{L}", "a-zà").replace(r"\p{N}", "0-9")
    # In Java, whose patterns these are, digits are those of ASCII.
    ascii_pattern = re.compile(pattern.replace(r"\p{Z}", " "), re.ASCII)
    matching = st.from_regex(ascii_pattern, fullmatch=True)
    longest = st.just("a" * high) if high <= 255 else st.nothing()
    return st.one_of(matching.filter(lambda text: low <= len(text) <= high), longest)


def near(name: str) -> Values:
    """Return values that violate the named shape, or are at the limit of its constraints."""
    definition = shape(name)
    low, high = definition.get("min"), definition.get("max")
    wrong: list[Values] = [st.sampled_from(_ANYTHING)]
    match definition["type"]:
        case "integer" | "long" | "float" | "double":
            beyond = [edge + step for edge in (low, high) if edge is not None for step in (-1, 1)]
            wrong.append(st.sampled_from([*beyond, str(low or 0), 0.5]))
        case "list":
            member = definition["member"]["shape"]
            wrong.append(st.lists(near(member), min_size=1, max_size=2))
            if high:
                more = good(member).map(lambda value: [value] * (high + 1))
                wrong.append(more)
        case "map":
            key, value = definition["key"]["shape"], definition["value"]["shape"]
            wrong.append(st.dictionaries(good(key), near(value), min_size=1, max_size=2))
        case "structure":
            wrong.append(_damaged(name))
        case "string":
            lengths = [length for length in (low, high) if length is not None and length <= 4096]
            wrong.append(
                st.sampled_from([*("a" * (length + 1) for length in lengths), "a/b", "a b", "\n"])
            )
            wrong.append(good(name).map(lambda value: f"{value}\n".replace("@", "")))
        case "blob":
            wrong.append(st.sampled_from(["%%%", "YQ", "YQ==\n", "é", "YWE" * 3]))
    return st.one_of(wrong)


@st.composite
def _damaged(draw: st.DrawFn, name: str) -> Any:
    """Return structures with one or two members that are invalid, missing or unknown."""
    document = dict(draw(good(name)))
    members = sorted(shape(name)["members"])
    for _ in range(draw(st.integers(1, 2))):
        member = draw(st.sampled_from(members))
        match draw(st.sampled_from(("wrong", "wrong", "missing", "extra"))):
            case "wrong":
                document[member] = draw(near(shape(name)["members"][member]["shape"]))
            case "missing":
                document.pop(member, None)
            case _:
                document[draw(st.sampled_from(("", "faces", "__type", member.lower())))] = draw(
                    st.sampled_from(_ANYTHING)
                )
    return document


def requests(operation: str) -> Values:
    """Return requests of an operation, half of them valid and half of them nearly valid."""
    name = input_shape(operation)
    return st.one_of(good(name), _damaged(name))
