"""Changes to a signed request, most of which make it a forged one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from random import Random

from tests.campaign.requests import Header, Signed

_MAKE = "RekognitionService.CreateCollection"


def _change_body(request: Signed, random: Random) -> Signed:
    body = random.choice((request.body + b" ", request.body.replace(b"forged", b"Forged"), b"{}"))
    headers = [h for h in request.headers if h[0] != "Content-Length"]
    return replace(request, body=body, headers=(*headers, ("Content-Length", str(len(body)))))


def _change_target(request: Signed, random: Random) -> Signed:
    target = request.target
    more = "&" if "?" in target else "?"
    return replace(
        request,
        target=random.choice(
            (
                target + more + "MaxResults=1",
                target + more + "NextToken=",
                target.replace("=", "%3D"),
                target.replace("MaxResults=7", "MaxResults=8"),
                "//" + target.lstrip("/"),
                target.replace("collections", "%63ollections"),
                target.replace("/v1/", "/v1/./"),
                target.replace("?", "/?"),
                target + "#fragment",
            )
        ),
    )


def _change_character(request: Signed, random: Random) -> Signed:
    """Change one character of the path or the query, such as a presigned signature."""
    target = request.target
    place = random.randrange(len(target))
    other = random.choice(("0", "a", "A", "/", "&", "=", "%41", ""))
    return replace(request, target="/" + (target[:place] + other + target[place + 1 :])[1:])


def _change_method(request: Signed, random: Random) -> Signed:
    return replace(request, method=random.choice(("GET", "POST", "PUT", "DELETE", "HEAD", "get")))


def _change_header(request: Signed, random: Random) -> Signed:
    """Change one character of one header, such as the signature, its scope or the date."""
    headers = list(request.headers)
    at = random.randrange(len(headers))
    name, value = headers[at]
    if name.lower() == "content-length" or not value:
        return _reformat(request, random)
    place = random.randrange(len(value))
    other = random.choice(("0", "a", "A", "/", " ", ""))
    headers[at] = (name, value[:place] + other + value[place + 1 :])
    return request.with_headers(*headers)


def _double_header(request: Signed, random: Random) -> Signed:
    headers = list(request.headers)
    name, value = random.choice(headers)
    if name.lower() == "content-length":
        return _reformat(request, random)
    other = random.choice((value, value + "x", "", value.upper()))
    headers.insert(random.randrange(len(headers) + 1), (name, other))
    return request.with_headers(*headers)


def _drop_header(request: Signed, random: Random) -> Signed:
    gone = random.choice(request.headers)
    if len(request.headers) == 1 or gone[0].lower() == "content-length":
        return _reformat(request, random)
    return request.with_headers(*(h for h in request.headers if h != gone))


def _add_header(request: Signed, random: Random) -> Signed:
    new: Header = random.choice(
        (
            ("X-Amz-Another", "unsigned"),
            ("x-amz-target", _MAKE),
            ("X-Amz-Security-Token", "token"),
            ("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"),
            ("X-Amz-Date", datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")),
            ("X-Forwarded-Host", "elsewhere"),
            ("X-Http-Method-Override", "DELETE"),
        )
    )
    return request.with_headers(*request.headers, new)


def _change_signed_headers(request: Signed, random: Random) -> Signed:
    """Claim that other headers were signed."""

    def other(value: str) -> str:
        before, found, after = value.partition("SignedHeaders=")
        names, comma, rest = after.partition(",")
        chosen = random.choice(
            ("host", names + ";x-amz-another", ";".join(reversed(names.split(";"))), names.upper())
        )
        return before + found + chosen + comma + rest

    return request.with_headers(
        *((n, other(v) if n.lower() == "authorization" else v) for n, v in request.headers)
    )


def _reformat(request: Signed, random: Random) -> Signed:
    """Write the same request in another form."""
    headers = list(request.headers)
    match random.randrange(3):
        case 0:
            random.shuffle(headers)
        case 1:
            headers = [(name.swapcase(), value) for name, value in headers]
        case _:
            headers.append(("X-Note", "not signed, and without a meaning"))
    return request.with_headers(*headers)


CHANGES: tuple[Callable[[Signed, Random], Signed], ...] = (
    *(
        _change_body,
        _change_target,
        _change_character,
        _change_method,
        _change_header,
        _change_header,
    ),
    *(_double_header, _drop_header, _add_header, _change_signed_headers, _reformat),
)
