"""Files from addresses on the web, or from where the user keeps copies of them."""

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

from facedex_models.errors import FetchFailed, WrongHash

# Bytes so far, bytes in all.
Progress = Callable[[int, int], None]

MIRROR = "FACEDEX_MIRROR"

_CHUNK = 1 << 14  # bytes; a connection that breaks off loses less than one
_MOST = 1 << 31  # bytes: no model is larger, and no server may fill the disk
_TIMEOUT = (10, 60)  # seconds: to connect, and between two pieces
_REPEATABLE = (408, 425, 429, 500, 502, 503, 504)
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")


@dataclass(frozen=True)
class Patience:
    """How often a download is tried again after an attempt that brought nothing new."""

    retries: int = 4
    pause: float = 0.5  # seconds before the first of them, doubled for each one after it


def file_name(url: str) -> str:
    """Return the last part of an address, by which mirrors know the file."""
    return unquote(urlsplit(url).path).rpartition("/")[2]


def download(
    url: str,
    sha256: str,
    folder: Path,
    *,
    progress: Progress = lambda _done, _total: None,
    patience: Patience = Patience(),
) -> Path:
    """Return the file at an address, its SHA-256 checked.

    With FACEDEX_MIRROR (the address of a folder: http, https or file) the file of that name there
    is taken instead. Proxies, certificates and credentials are those of the requests library's
    environment variables and ~/.netrc. The file is written to folder, first under a name ending in
    .part, which outlives a broken-off download: the next one goes on where it ended.

    Raises FetchFailed where the file cannot be had and WrongHash where it is another one; OSError
    where the disk fails.
    """
    name = file_name(url)
    address = _mirrored(url)
    if address.startswith("file:"):
        return _local(address, sha256)
    whole, part = folder / name, folder / f"{name}.part"
    if whole.is_file() and _digest(whole) == sha256:
        return whole
    folder.mkdir(parents=True, exist_ok=True)
    # A killed download may have ended between the last byte and the new name.
    if not part.is_file() or _digest(part) != sha256:
        _complete(address, sha256, part, progress, patience)
    part.replace(whole)
    return whole


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
    """Make the part the whole file, or raise FetchFailed or WrongHash."""
    for _ in range(2):
        pieces = _fill(address, part, progress, patience)
        found = _digest(part)
        if found == sha256:
            return
        part.unlink()
        # Pieces may be of two files, one having replaced the other at the address. A file that
        # came whole will be no other the next time.
        if pieces == 1:
            break
    raise _wrong(address, found, sha256)


def _fill(address: str, part: Path, progress: Progress, patience: Patience) -> int:
    """Download what the part lacks, and return of how many pieces it is made then."""
    most = _size(part)
    pieces = 2 if most else 1
    failures = 0
    while True:
        try:
            _receive(address, part, progress)
        except requests.RequestException as error:
            reached = _size(part)
            failures = failures + 1 if reached <= most else 0
            most = max(most, reached)
            if failures > patience.retries or not _is_passing(error):
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
    """Append to the part what one connection brings."""
    done = _size(part)
    headers = {"Accept-Encoding": "identity"}
    if done:
        headers["Range"] = f"bytes={done}-"
    with requests.get(address, headers=headers, stream=True, timeout=_TIMEOUT) as response:
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            # The part is as long as the file, or longer, and yet another: begin again.
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
            raise requests.ConnectionError("the server sent another range than was asked for")
        with part.open("ab" if done else "wb") as file:
            for chunk in response.iter_content(_CHUNK):
                file.write(chunk)
                done += len(chunk)
                if done > _MOST:
                    raise FetchFailed(f"{address} sends more than 2 GB; no model is so large.")
                progress(done, max(done, total))
            file.flush()
            os.fsync(file.fileno())


def _is_passing(error: requests.RequestException) -> bool:
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
        return "this is no address"
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
        "if you have set it, and what stands between you and that server."
    )
