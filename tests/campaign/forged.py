"""Forged requests: whatever differs from what was signed is refused, and changes nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from tests.campaign.requests import Header, Signed, send, sign
from tests.campaign.stage import Attempt, Attempts, Stage
from tests.campaign.tally import Tally

BOUND = 20.0  # maximum seconds until an answer
_MAKE = "RekognitionService.CreateCollection"
_SKEW = timedelta(minutes=5)  # allowed difference between the clocks of client and server
_MARGIN = timedelta(seconds=30)  # no dates so close to that limit are tried
_GENUINE = 0.1  # share of the attempts that are sent unchanged

Key = tuple[str, str]


@dataclass(frozen=True)
class _Keys:
    """Access keys: a valid one, a read-only one and a deleted one."""

    writer: Key
    reader: Key
    deleted: Key


class Forged(Attempts):
    """Valid requests, changed after their signature or signed by what is not the key."""

    name = "forged"
    share = 2

    @contextmanager
    def open(self, stage: Stage, tally: Tally) -> Iterator[Attempt]:
        directory = stage.folder / "data"
        with stage.server(tally, "--port=0", "--auth=keys") as server:
            keys = _Keys(
                _create_key(directory),
                _create_key(directory, "--read-only"),
                _create_key(directory),
            )
            _facedex("keys", "delete", keys.deleted[0], f"--data-dir={directory}")
            made: set[str] = set()
            lock = threading.Lock()

            def attempt(number: int) -> None:
                random = stage.random(number)
                request, genuine = _choose(random, server.url, keys, f"forged-{number}")
                status, answer = send(server.url, request, BOUND)
                sent = repr(request).encode()
                if status == 200:
                    tally.answer()
                    with lock:
                        made.add(f"forged-{number}")
                    if genuine is False:
                        tally.surprise("A forged request was accepted.", number, sent)
                    return
                tally.refuse(str(answer.get("__type", status)))
                if not 400 <= status < 500:
                    tally.surprise(f"A forged request was answered {status}.", number, sent)
                elif genuine is True:
                    tally.surprise(f"A genuine request was refused: {answer}", number, sent)

            yield attempt
            _check_effects(server.url, keys.writer, made, tally)


def _check_effects(url: str, key: Key, made: set[str], tally: Tally) -> None:
    """Check that only answered requests have created collections."""
    token: str | None = ""
    while token is not None:
        members = {"NextToken": token} if token else {}
        status, page = send(url, _post(url, key, "ListCollections", members), BOUND)
        if status != 200:
            tally.surprise(f"ListCollections answered {status}: {page}")
            return
        for name in page["CollectionIds"]:
            tally.check()
            if name not in made:
                tally.surprise(f"A refused request created the collection {name}.")
        token = page.get("NextToken")


def _post(url: str, key: Key, operation: str, members: object, **options: object) -> Signed:
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": f"RekognitionService.{operation}",
    }
    body = json.dumps(members).encode()
    return sign(url, key, "POST", "/", body=body, headers=headers, **options)  # type: ignore[arg-type]


def _choose(random: Random, url: str, keys: _Keys, name: str) -> tuple[Signed, bool | None]:
    """Return a request, and whether it is genuine.

    None means that it is the same request in another form, which may be accepted or refused.
    """
    members = {"CollectionId": name}
    if random.random() < 0.3:
        return _signed_by_another(random, url, keys, members)
    kind = random.randrange(3)
    if kind == 0:
        original = _post(url, keys.writer, "CreateCollection", members)
    elif kind == 1:
        body = json.dumps(members).encode()
        headers = {"Content-Type": "application/json"}
        original = sign(url, keys.writer, "POST", "/v1/collections", body=body, headers=headers)
    else:
        target = "/v1/collections?MaxResults=7"
        original = sign(url, keys.writer, "GET", target, presigned=random.random() < 0.5)
    if random.random() < _GENUINE:
        return original, True
    changed = original
    for _ in range(random.choice((1, 1, 1, 2))):
        changed = random.choice(_CHANGES)(changed, random)
    return changed, None if changed.essence() == original.essence() else False


def _signed_by_another(
    random: Random, url: str, keys: _Keys, members: dict[str, str]
) -> tuple[Signed, bool]:
    """Return a request that is signed with a wrong key, for a wrong service or at a wrong time."""
    name, secret = keys.writer
    now = datetime.now(UTC)
    match random.randrange(5):
        case 0:
            wrong = random.choice(
                ((name, secret[:-1]), (name, ""), (keys.reader[0], secret), ("AKIA" + name, secret))
            )
            return _post(url, wrong, "CreateCollection", members), False
        case 1:
            key = random.choice((keys.reader, keys.deleted))
            return _post(url, key, "CreateCollection", members), False
        case 2:
            service = random.choice(("iam", "sts", "Rekognition", "rekognition2", ""))
            return _post(url, keys.writer, "CreateCollection", members, service=service), False
        case 3:
            skew = _SKEW + _MARGIN + timedelta(seconds=random.randrange(10**6))
            when = now + random.choice((-1, 1)) * skew
            return _post(url, keys.writer, "CreateCollection", members, when=when), False
        case _:
            allowed = int((_SKEW - _MARGIN).total_seconds())
            when = now + timedelta(seconds=random.randrange(-allowed, allowed))
            return _post(url, keys.writer, "CreateCollection", members, when=when), True


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


_CHANGES: tuple[Callable[[Signed, Random], Signed], ...] = (
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


def _facedex(*arguments: str) -> str:
    command = [str(Path(sys.executable).with_name("facedex")), *arguments]
    return subprocess.run(
        command, env=dict(os.environ), capture_output=True, text=True, check=True
    ).stdout


def _create_key(directory: Path, *options: str) -> Key:
    printed = _facedex("keys", "create", f"--data-dir={directory}", *options)
    exported = dict(line.removeprefix("export ").split("=", 1) for line in printed.splitlines())
    return exported["AWS_ACCESS_KEY_ID"], exported["AWS_SECRET_ACCESS_KEY"]
