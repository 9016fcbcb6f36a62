"""Downloads from URLs or from the user's mirror."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

import requests

from facedex_models.model_errors import FetchFailed, WrongHash

# Bytes so far, bytes in all.
Progress = Callable[[int, int], None]

MIRROR = "FACEDEX_MIRROR"

_CHUNK = 1 << 14  # bytes; an interrupted connection loses less than one chunk
_MOST = 1 << 31  # bytes; no model is larger, and a server must not fill the disk
_TIMEOUT = (10, 60)  # seconds: to connect, and between two pieces
_REPEATABLE = (408, 425, 429, 500, 502, 503, 504)
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")


@dataclass(frozen=True)
class Patience:
    """The number of retries after attempts that made no progress."""

    retries: int = 4
    pause: float = 0.5  # seconds before the first retry, doubled for each further one


def file_name(url: str) -> str:
    """Return the last part of a URL, which is the file's name on a mirror."""
    return unquote(urlsplit(url).path).rpartition("/")[2]


def download(
    url: str,
    sha256: str,
    folder: Path,
    *,
    progress: Progress = lambda _done, _total: None,
    patience: Patience = Patience(),
) -> Path:
    """Download a file and check its SHA-256.

    If FACEDEX_MIRROR is set to the URL of a folder (http, https or file), the file of that name
    there is used instead. Proxies, certificates and credentials come from the requests library's
    environment variables and ~/.netrc. The file is first written with the suffix .part; after an
    interruption, the next download continues this file.

    Args:
        url: address of the file.
        sha256: its hash in hexadecimal.
        folder: folder to write the file to; created if necessary.
        progress: called with the bytes so far and in total.
        patience: retries.

    Returns:
        The path of the file.

    Raises:
        FetchFailed: if the file cannot be downloaded.
        WrongHash: if the file has another hash.
        OSError: if the file cannot be written.
    """
    name = file_name(url)
    address = _mirrored(url)
    if address.startswith("file:"):
        return _local(address, sha256)
    target, part = folder / name, folder / f"{name}.part"
    if target.is_file() and _digest(target) == sha256:
        return target
    folder.mkdir(parents=True, exist_ok=True)
    # A previous download may have been killed after the last byte, before the renaming.
    if not part.is_file() or _digest(part) != sha256:
        _complete(address, sha256, part, progress, patience)
    part.replace(target)
    return target


def _mirrored(url: str) -> str:
    mirror = os.environ.get(MIRROR)
    if not mirror:
        return url
    if urlsplit(mirror).scheme not in ("http", "https", "file"):
        raise FetchFailed(
            f"{MIRROR} is {mirror!r}; set it to the address of a folder that begins with https://, "
            "http:// or file://."
        )
    return f"{mirror.rstrip('/')}/{file_name(url)}"


def _local(address: str, sha256: str) -> Path:
    path = Path(url2pathname(urlsplit(address).path))
    if not path.is_file():
        raise FetchFailed(f"There is no file {path}; put it there, or unset {MIRROR}.")
    if (found := _digest(path)) != sha256:
        raise _wrong(str(path), found, sha256)
    return path


def _complete(
    address: str, sha256: str, part: Path, progress: Progress, patience: Patience
) -> None:
    """Complete the part and check its hash.

    Raises:
        FetchFailed: if the file cannot be downloaded.
        WrongHash: if the file has another hash.
    """
    for _ in range(2):
        pieces = _fill(address, part, progress, patience)
        found = _digest(part)
        if found == sha256:
            return
        part.unlink()
        # Pieces of several connections may come from different versions of the file, so they are
        # downloaded again. A file from a single connection would be the same the next time.
        if pieces == 1:
            break
    raise _wrong(address, found, sha256)


def _fill(address: str, part: Path, progress: Progress, patience: Patience) -> int:
    """Download the missing bytes; return 1 if one connection sent the complete file, else 2."""
    largest = _size(part)
    pieces = 2 if largest else 1
    failures = 0
    while True:
        try:
            _receive(address, part, progress)
        except requests.RequestException as error:
            reached = _size(part)
            failures = failures + 1 if reached <= largest else 0
            largest = max(largest, reached)
            if failures > patience.retries or not _is_temporary(error):
                raise FetchFailed(
                    f"{address} could not be downloaded: {_reason(error)}; check the network, or "
                    f"set {MIRROR} to the address of a folder with {file_name(address)} in it, "
                    "then try again."
                ) from error
            pieces = 2 if reached else 1
            time.sleep(patience.pause * 2**failures)
        else:
            return pieces


def _receive(address: str, part: Path, progress: Progress) -> None:
    """Append the bytes of one connection to the part."""
    done = _size(part)
    headers = {"Accept-Encoding": "identity"}
    if done:
        headers["Range"] = f"bytes={done}-"
    with requests.get(address, headers=headers, stream=True, timeout=_TIMEOUT) as response:
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            # The part is at least as long as the file but has another hash: start again.
            part.unlink(missing_ok=True)
            raise requests.ConnectionError("the server has no more bytes")
        response.raise_for_status()
        partial = _RANGE.match(response.headers.get("Content-Range", ""))
        if response.status_code != requests.codes.partial_content:
            done, total = 0, int(response.headers.get("Content-Length", 0))
        elif partial and int(partial[1]) == done:
            total = int(partial[2])
        else:
            part.unlink(missing_ok=True)
            raise requests.ConnectionError("the server did not send the requested range")
        with part.open("ab" if done else "wb") as file:
            for chunk in response.iter_content(_CHUNK):
                file.write(chunk)
                done += len(chunk)
                if done > _MOST:
                    raise FetchFailed(f"{address} sends more than 2 GB; no model is that large.")
                progress(done, max(done, total))
            file.flush()
            os.fsync(file.fileno())


def _is_temporary(error: requests.RequestException) -> bool:
    """Return whether another attempt may succeed."""
    if isinstance(error, requests.exceptions.SSLError | requests.exceptions.InvalidURL):
        return False
    return error.response is None or error.response.status_code in _REPEATABLE


def _reason(error: requests.RequestException) -> str:
    if error.response is not None:
        return f"the server answered {error.response.status_code} {error.response.reason}".rstrip()
    if isinstance(error, requests.exceptions.SSLError):
        return "the server's certificate is not trusted (REQUESTS_CA_BUNDLE names others)"
    if isinstance(error, requests.exceptions.InvalidURL):
        return "this is not a valid URL"
    if isinstance(error, requests.Timeout):
        return "the server does not answer"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off"
    return "the server cannot be reached"


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _wrong(where: str, found: str, expected: str) -> WrongHash:
    return WrongHash(
        f"{where} has the SHA-256 {found} instead of {expected}; it was not used. Check {MIRROR}, "
        "if it is set, and any proxy between you and that server."
    )
