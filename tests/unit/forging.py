"""Changes to a signed request that have to make it invalid."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from facedex_local.http import routes

Event: TypeAlias = dict[str, Any]
Forgery: TypeAlias = tuple[str, Event, bytes]

UNROUTED = "unrouted"


def set_header(event: Event, name: str, value: str) -> None:
    """Replace every value of a header."""
    for header in list(event["multiValueHeaders"]):
        if header.lower() == name.lower():
            del event["multiValueHeaders"][header]
    event["multiValueHeaders"][name] = [value]


def forgeries(event: Event, body: bytes) -> Iterator[Forgery]:
    """Yield changed copies of a request."""
    for make in (bodies, lines, headers, authorizations, queries):
        yield from make(event, body)


def changed(event: Event, change: Callable[..., None], *arguments: str) -> Event:
    copied = copy.deepcopy(event)
    change(copied, *arguments)
    return copied


def bodies(event: Event, body: bytes) -> Iterator[Forgery]:
    for at in {0, len(body) // 2, len(body)}:
        yield f"byte inserted at {at}", event, body[:at] + b"\0" + body[at:]
    for name, other in (
        ("emptied", b""),
        ("twice", body + body),
        ("spaced", body + b" "),
        ("other", b'{"CollectionId":"other"}'),
    ):
        if other != body:
            yield f"body {name}", event, other


def lines(event: Event, body: bytes) -> Iterator[Forgery]:
    for method in ("GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS", "get", ""):
        if method.upper() != event["httpMethod"]:
            yield f"method {method}", {**copy.deepcopy(event), "httpMethod": method}, body
    path = event["path"]
    for other in (
        f"{path}/..",
        f"{path}/.",
        f"{path}/x/..",
        f"/{path}",
        f"/.{path}",
        f"{path}%00",
        f"{path}%2e%2e",
        f"{path}#x",
        f"{path};x=y",
        f"{path}\t",
        f"{path}s",
        path.replace("staff", "st%61ff%20"),
        "/v1/collections/other",
        "/v1/collections/staff/users/..",
        "/v1/tags/arn",
    ):
        if other == path:
            continue

        def move(each: Event, to: str = other) -> None:
            each["path"] = each["requestContext"]["path"] = to
            route = routes.find({"REQUEST_METHOD": each["httpMethod"], "REQUEST_URI": to})
            each["resource"] = route.resource if route else UNROUTED
            each["pathParameters"] = dict(route.parameters) if route else None

        yield f"path {other!r}", changed(event, move), body


def headers(event: Event, body: bytes) -> Iterator[Forgery]:
    for name, value in (
        ("X-Amz-Target", "RekognitionService.DeleteCollection"),
        ("X_Amz_Target", "RekognitionService.DeleteCollection"),
        ("x-amz_target", "RekognitionService.DeleteCollection"),
        ("X-Amz-Date", "20261123T120001Z"),
        ("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"),
        ("X-Amz-Content-Sha256", "0" * 64),
        ("X-Amz-Security-Token", "token"),
        ("X-Amz-Anything", ""),
        ("X-Amz-Copy-Source", "/a/b"),
        ("Host", "other.example.com"),
        ("Host", "api.example.com:9000"),
        ("Host", ""),
    ):
        yield f"{name}: {value}", changed(event, set_header, name, value), body
    given = event["multiValueHeaders"]
    for name in given:
        if name.lower() in ("user-agent", "authorization"):
            continue
        signed = name.lower() in given.get("Authorization", [""])[0] or name == "Host"
        if not signed:
            continue
        for what, values in (
            ("doubled", given[name] * 2),
            ("removed", []),
            ("suffixed", [f"{given[name][0]}x"]),
            ("preceded", ["x", *given[name]]),
        ):

            def alter(each: Event, n: str = name, to: list[str] = values) -> None:
                each["headers"] = {}
                each["multiValueHeaders"][n] = to
                if not to:
                    del each["multiValueHeaders"][n]

            yield f"{name} {what}", changed(event, alter), body


def authorizations(event: Event, body: bytes) -> Iterator[Forgery]:
    if "Authorization" not in event["multiValueHeaders"]:
        return
    value = event["multiValueHeaders"]["Authorization"][0]
    start, _, signature = value.rpartition("Signature=")
    names = value.partition("SignedHeaders=")[2].partition(",")[0].split(";")
    key = value.partition("Credential=")[2].partition("/")[0]
    others = [
        f"{start}Signature={signature[:at]}{'0' if signature[at] != '0' else '1'}"
        f"{signature[at + 1 :]}"
        for at in range(0, 64, 4)
    ]
    others += [f"{start}Signature={each}" for each in ("", "0" * 64, signature[:-1], signature * 2)]
    others += [f"{start}Signature={signature.upper()}", f"{value}, Signature={signature}"]
    others += [
        value.replace(";".join(names), ";".join(kept))
        for size in range(len(names))
        for kept in itertools.combinations(names, size)
    ]
    others += [
        value.replace(old, new)
        for old, new in (
            (key, key.lower()),
            (key, f"{key}x"),
            (key, ""),
            ("/20261123/", "/20261122/"),
            ("/eu-central-1/", "/eu-west-1/"),
            ("/eu-central-1/", "//"),
            ("/rekognition/", "/s3/"),
            ("/rekognition/", "/REKOGNITION/"),
            ("/rekognition/", "/sts/"),
            ("aws4_request", "aws4_requests"),
            ("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"),
            ("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"),
            ("AWS4-HMAC-SHA256", "AWS3-HMAC-SHA256"),
        )
    ]
    others += ["", "Basic Og==", f"AWS {key}:{signature}", f"Bearer {signature}"]
    for other in others:
        yield other, changed(event, set_header, "Authorization", other), body
    twice = copy.deepcopy(event)
    twice["multiValueHeaders"]["Authorization"] = [value, value]
    yield "twice", twice, body


def queries(event: Event, body: bytes) -> Iterator[Forgery]:
    given = event["multiValueQueryStringParameters"] or {}
    for name, values in (
        ("MaxResults", ["6"]),
        ("NextToken", ["x"]),
        ("UserId", ["b"]),
        ("X-Amz-Algorithm", ["AWS4-HMAC-SHA256"]),
        ("X-Amz-Signature", ["0" * 64]),
        ("X-Amz-Security-Token", ["x"]),
        ("X-Amz-Expires", ["604800"]),
        ("x-amz-signature", ["0" * 64]),
        ("", [""]),
    ):
        if given.get(name) == values:
            continue

        def add(each: Event, n: str = name, to: list[str] = values) -> None:
            each["multiValueQueryStringParameters"] = {**given, n: to}

        # With another signature in the query, the header's is one of two.
        yield f"query {name}={values}", changed(event, add), body
    for name, values in given.items():
        for what, to in (
            ("removed", None),
            ("doubled", values * 2),
            ("suffixed", [f"{values[0]}1", *values[1:]]),
            ("emptied", [""]),
        ):

            def alter(each: Event, n: str = name, v: list[str] | None = to) -> None:
                parts = {**given, n: v or []}
                each["multiValueQueryStringParameters"] = {k: w for k, w in parts.items() if w}

            yield f"query {name} {what}", changed(event, alter), body
