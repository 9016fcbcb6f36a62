"""Forged requests: whatever differs from what was signed is refused, and changes nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from tests.campaign.requests import Signed, send, sign
from tests.campaign.stage import Attempt, Attempts, Stage
from tests.campaign.tally import Tally
from tests.campaign.tampering import CHANGES
from tests.conftest import client_of

BOUND = 20.0  # maximum seconds until an answer
_SKEW = timedelta(minutes=5)  # allowed difference between the clocks of client and server
_MARGIN = timedelta(seconds=30)  # no dates so close to that limit are tried
_BUCKET = "forged"
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
            _make_bucket(server.url, keys.writer)
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
    """Check that only answered requests have created collections and objects."""
    s3 = client_of(url, "s3", aws_access_key_id=key[0], aws_secret_access_key=key[1])
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=_BUCKET)
    for name in [each["Key"] for page in pages for each in page.get("Contents", ())]:
        tally.check()
        if name not in made:
            tally.surprise(f"A refused request stored the object {name}.")
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


def _make_bucket(url: str, key: Key) -> None:
    s3 = client_of(url, "s3", aws_access_key_id=key[0], aws_secret_access_key=key[1])
    s3.create_bucket(Bucket=_BUCKET)


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
    original = random.choice(_ORIGINALS)(url, keys.writer, name, random.random() < 0.5)
    if random.random() < _GENUINE:
        return original, True
    changed = original
    for _ in range(random.choice((1, 1, 1, 2))):
        changed = random.choice(CHANGES)(changed, random)
    return changed, None if changed.essence() == original.essence() else False


def _operation(url: str, key: Key, name: str, presigned: bool) -> Signed:
    return _post(url, key, "CreateCollection", {"CollectionId": name})


def _route(url: str, key: Key, name: str, presigned: bool) -> Signed:
    body = json.dumps({"CollectionId": name}).encode()
    headers = {"Content-Type": "application/json"}
    return sign(url, key, "POST", "/v1/collections", body=body, headers=headers)


def _reading(url: str, key: Key, name: str, presigned: bool) -> Signed:
    return sign(url, key, "GET", "/v1/collections?MaxResults=7", presigned=presigned)


def _object(url: str, key: Key, name: str, presigned: bool) -> Signed:
    """Return an upload to S3, which answers on the same port."""
    target = f"/{_BUCKET}/{name}"
    return sign(url, key, "PUT", target, body=b"photo", service="s3", presigned=presigned)


_ORIGINALS: tuple[Callable[[str, Key, str, bool], Signed], ...] = (
    *(_operation, _route, _reading, _object),
)


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


def _facedex(*arguments: str) -> str:
    command = [str(Path(sys.executable).with_name("facedex")), *arguments]
    return subprocess.run(
        command, env=dict(os.environ), capture_output=True, text=True, check=True
    ).stdout


def _create_key(directory: Path, *options: str) -> Key:
    printed = _facedex("keys", "create", f"--data-dir={directory}", *options)
    exported = dict(line.removeprefix("export ").split("=", 1) for line in printed.splitlines())
    return exported["AWS_ACCESS_KEY_ID"], exported["AWS_SECRET_ACCESS_KEY"]
