"""The results that a Distributed Map of Step Functions writes to S3.

https://docs.aws.amazon.com/step-functions/latest/dg/input-output-resultwriter.html
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from facedex.aws.objects import client

if TYPE_CHECKING:
    from typing_extensions import Buffer

_MANIFEST: Final = "/manifest.json"
_CHUNK: Final = 1 << 18  # bytes that are read at once
# The order in which results are read.
_KINDS: Final = ("SUCCEEDED", "FAILED", "PENDING")


@dataclass(frozen=True, slots=True)
class ItemResult:
    """The result of one item.

    Attributes:
        kind: SUCCEEDED, FAILED or PENDING.
        given: the input of the item's workflow.
        output: its output; None if it did not succeed.
        error: name of the error; empty if it did not fail.
        cause: the error's message, or the error as Lambda describes it in JSON.
    """

    kind: str
    given: Mapping[str, Any]
    output: Mapping[str, Any] | None
    error: str
    cause: str

    @property
    def message(self) -> str:
        """The error's message alone."""
        try:
            described = json.loads(self.cause)
        except ValueError:
            return self.cause
        return str(described.get("errorMessage", "")) if isinstance(described, dict) else self.cause


def find_manifest(bucket: str, folder: str, since: float = 0.0) -> str | None:
    """Return the key of the newest manifest below a folder, or None if there is none.

    Args:
        bucket: the bucket of the results.
        folder: the execution's.
        since: earliest time at which the manifest was written, in seconds since 1970.

    Raises:
        ClientError, BotoCoreError: if S3 does not list the folder.
    """
    found = client().list_objects_v2(Bucket=bucket, Prefix=f"{folder}/").get("Contents", [])
    manifests = [
        each
        for each in found
        # S3 rounds the time down to a second.
        if each["Key"].endswith(_MANIFEST) and each["LastModified"].timestamp() >= int(since)
    ]
    newest = max(manifests, key=lambda each: each["LastModified"], default=None)
    return newest["Key"] if newest else None


def read_results(bucket: str, manifest: str) -> Iterator[ItemResult]:
    """Yield the results that a manifest lists, without holding them in memory.

    Args:
        bucket: the bucket of all files.
        manifest: key of the manifest.

    Raises:
        ClientError, BotoCoreError: if S3 does not return a file.
    """
    listed = json.loads(client().get_object(Bucket=bucket, Key=manifest)["Body"].read())
    for kind in _KINDS:
        for file in listed["ResultFiles"].get(kind, ()):
            lines = client().get_object(Bucket=bucket, Key=file["Key"])["Body"].iter_lines(_CHUNK)
            for line in lines:
                if line.strip():
                    yield _parse(kind, json.loads(line))


def _parse(kind: str, item: Mapping[str, Any]) -> ItemResult:
    output = item.get("Output")
    return ItemResult(
        kind,
        json.loads(item.get("Input") or "{}"),
        json.loads(output) if kind == "SUCCEEDED" and output else None,
        item.get("Error") or ("" if kind == "SUCCEEDED" else str(item.get("Status", ""))),
        item.get("Cause") or "",
    )


def upload_text(bucket: str, key: str, pieces: Iterator[str]) -> None:
    """Write an object piece by piece, without holding it in memory.

    Raises:
        ClientError, BotoCoreError: if S3 does not accept it.
    """
    stream = io.BufferedReader(_Pieces(pieces), buffer_size=1 << 20)
    client().upload_fileobj(stream, bucket, key)


class _Pieces(io.RawIOBase):
    """A file whose content is generated while it is read."""

    def __init__(self, pieces: Iterator[str]) -> None:
        self._pieces = pieces
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = piece.encode("utf-8", "surrogateescape")
        room = cast("memoryview", buffer)
        count = min(len(room), len(self._rest))
        room[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count
