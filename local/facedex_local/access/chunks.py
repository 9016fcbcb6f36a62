"""Signatures of the chunks of a body that is sent while it is signed.

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and, for the signature of
trailing headers, sigv4-streaming-trailers.html in the same guide.
"""

from __future__ import annotations

import hmac
import re
from hashlib import sha256
from typing import IO, Final

from facedex.access.authorization import Authorization
from facedex.access.signatures import ALGORITHM, TERMINATOR, Signer
from facedex.store.access_keys import Credentials
from facedex_local.access.access_errors import MISMATCH, Refused

_CHUNK: Final = re.compile(rb"([0-9a-fA-F]{1,8});chunk-signature=([0-9a-f]{64})\r\n")
_TRAILER: Final = re.compile(rb"(x-amz-checksum-[a-z0-9]+):([^\r\n]*)\r?\n")
_TRAILER_SIGNATURE: Final = re.compile(rb"x-amz-trailer-signature:([0-9a-f]{64})\r\n")
_LONGEST_LINE: Final = 1024
_PIECE: Final = 1 << 20
_EMPTY: Final = sha256().hexdigest()


def check(
    body: IO[bytes],
    claimed: Authorization,
    credentials: Credentials,
    *,
    length: str,
    has_trailer: bool,
) -> None:
    """Check the signature of every chunk, and that nothing follows the last.

    Args:
        body: the body, at its start.
        claimed: the signature of the request's headers, which is the first of the chain.
        credentials: the key that signed them.
        length: value of the header X-Amz-Decoded-Content-Length.
        has_trailer: whether signed headers follow the last chunk.

    Raises:
        Refused: if a chunk is malformed or not signed by that key.
    """
    chain = _Chain(claimed, credentials)
    total = 0
    while True:
        found = _CHUNK.fullmatch(body.readline(_LONGEST_LINE))
        if not found:
            raise _malformed()
        size = int(found[1], 16)
        digest = _read_chunk(body, size)
        chain.check("PAYLOAD", f"{_EMPTY}\n{digest}", found[2])
        total += size
        if not size:
            break
        if body.read(2) != b"\r\n":
            raise _malformed()
    if has_trailer:
        _check_trailer(body, chain)
    if body.read(3).strip(b"\r\n"):
        raise _malformed()
    if str(total) != length:
        raise Refused(
            "IncompleteBody", "The body has another length than x-amz-decoded-content-length.", 400
        )


class _Chain:
    """Signatures each of which covers the one before it."""

    def __init__(self, claimed: Authorization, credentials: Credentials) -> None:
        self._claimed = claimed
        self._signer = Signer(claimed, credentials, "")
        self._previous = claimed.signature

    def check(self, kind: str, content: str, signature: bytes) -> None:
        claimed = self._claimed
        scope = f"{claimed.day}/{claimed.region}/{claimed.service}/{TERMINATOR}"
        text = f"{ALGORITHM}-{kind}\n{claimed.date}\n{scope}\n{self._previous}\n{content}"
        expected = self._signer.sign_text(text)
        if not hmac.compare_digest(expected.encode(), signature):
            raise Refused(*MISMATCH)
        self._previous = expected


def _read_chunk(body: IO[bytes], size: int) -> str:
    """Read a chunk, and return its SHA-256 in hexadecimal."""
    digest = sha256()
    while size:
        piece = body.read(min(size, _PIECE))
        if not piece:
            raise _malformed()
        digest.update(piece)
        size -= len(piece)
    return digest.hexdigest()


def _check_trailer(body: IO[bytes], chain: _Chain) -> None:
    content = b""
    while found := _TRAILER.fullmatch(line := body.readline(_LONGEST_LINE)):
        content += found[1] + b":" + found[2].strip() + b"\n"
    signature = _TRAILER_SIGNATURE.fullmatch(line)
    if not signature:
        raise _malformed()
    chain.check("TRAILER", sha256(content).hexdigest(), signature[1])


def _malformed() -> Refused:
    return Refused("IncompleteBody", "The body is not a sequence of complete, signed chunks.", 400)
