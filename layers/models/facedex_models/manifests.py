"""The packs' manifests: the TOML files in `packs/`.

A recognition pack has a detector and an embedder; collections are created with it. There is one
attributes pack, whose networks describe faces.
"""

from __future__ import annotations

import tomllib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from facedex_models.model_errors import ModelError, UnknownPack
from facedex_models.networks import PACKS, Network, Table, parse_network

DEFAULT = "sface-dlib"
ATTRIBUTES = "attributes"  # the name of the attributes pack
FUSED = "fused"  # the kind of an embedder of several networks


@dataclass(frozen=True)
class PackManifest(ABC):
    """The description of a pack of any kind.

    Attributes:
        name: the pack's name.
        version: 1 to 9.
        title: what it contains, in a few words.
        licence: the names of the licences.
        licence_url: address of their text.
        commercial_use: whether they allow commercial use.
        networks: all networks; a recognition pack's detector is the first.
        tables: files beside the networks.
        text: the TOML itself, copied into the pulled pack.
    """

    name: str
    version: str
    title: str
    licence: str
    licence_url: str | None
    commercial_use: bool
    networks: tuple[Network, ...]
    tables: tuple[Table, ...]
    text: str

    @property
    def files(self) -> tuple[str, ...]:
        """The names of the networks and tables in the pulled pack."""
        networks = (network.file for network in self.networks)
        return (*networks, *(table.copied for table in self.tables))

    @property
    def release(self) -> str:
        """The version by which a pulled pack is recognised as outdated."""
        return self.version

    @property
    def terms(self) -> str:
        """The licence's name, and its URL if it has one."""
        return f"{self.licence} ({self.licence_url})" if self.licence_url else self.licence

    @abstractmethod
    def reread(self, text: str) -> PackManifest:
        """Parse the manifest of another version of this pack.

        Raises:
            ModelError: if the document is not valid TOML or a key is missing.
        """


@dataclass(frozen=True)
class Manifest(PackManifest):
    """The description of a recognition pack.

    Attributes:
        number: unique among recognition packs.
        dimension: length of the vectors.
    """

    number: int
    dimension: int

    @property
    def model_version(self) -> str:
        """The FaceModelVersion, such as 1.2: text that clients may parse as a number."""
        return f"{self.number}.{self.version}"

    @property
    def release(self) -> str:
        """The FaceModelVersion."""
        return self.model_version

    @property
    def detector(self) -> Network:
        """The network that finds faces."""
        return self.networks[0]

    @property
    def embedders(self) -> tuple[Network, ...]:
        """The network that recognises faces; several if their vectors are concatenated."""
        return self.networks[1:]

    def reread(self, text: str) -> Manifest:
        """Parse the manifest of another version of this pack; see the base class."""
        return parse(text, number=self.number)


@dataclass(frozen=True)
class AttributesManifest(PackManifest):
    """The description of the attributes pack.

    Attributes:
        data: what the networks were trained on.
    """

    data: str

    def reread(self, text: str) -> AttributesManifest:
        """Parse the manifest of another version of this pack; see the base class."""
        return parse_attributes(text)


def packs() -> tuple[str, ...]:
    """Return the names of the recognition packs, in alphabetical order."""
    names = (path.stem for path in PACKS.glob("*.toml"))
    return tuple(sorted(name for name in names if name != ATTRIBUTES))


def manifest(name: str) -> Manifest:
    """Return the manifest of a recognition pack.

    Raises:
        UnknownPack: if there is no pack of that name; the message lists the existing ones.
    """
    if name not in packs():
        raise UnknownPack(f"There is no model pack {name!r}; choose one of: {', '.join(packs())}.")
    return parse(_read(name))


def attributes() -> AttributesManifest:
    """Return the manifest of the attributes pack."""
    return parse_attributes(_read(ATTRIBUTES))


def described(name: str) -> PackManifest:
    """Return the manifest of a pack of any kind.

    Raises:
        UnknownPack: if there is no pack of that name; the message lists the existing ones.
    """
    if name == ATTRIBUTES:
        return attributes()
    if name in packs():
        return manifest(name)
    listed = ", ".join((*packs(), ATTRIBUTES))
    raise UnknownPack(f"There is no model pack {name!r}; choose one of: {listed}.")


def named(model_version: str) -> Manifest | None:
    """Return the manifest of the pack with a FaceModelVersion, or None if there is none."""
    found = (manifest(name) for name in packs())
    return next((each for each in found if each.model_version == model_version), None)


def parse(text: str, *, number: int | None = None) -> Manifest:
    """Parse a recognition pack's manifest.

    Args:
        text: the TOML document.
        number: the pack's number if the document has none, as with packs of earlier releases.

    Raises:
        ModelError: if the document is not valid TOML or a key is missing.
    """
    with _reading():
        values = tomllib.loads(text)
        embedder = values["embedder"]
        parts = embedder["parts"] if embedder["kind"] == FUSED else [embedder]
        for part in parts:  # require the keys that only the vision package reads, too
            _ = part["dimension"], part["chip_size"], part["template"]
        return Manifest(
            **_description(values),
            networks=(
                parse_network(values["detector"], "detector.onnx"),
                *(parse_network(part, part.get("file", "embedder.onnx")) for part in parts),
            ),
            tables=(),
            text=text,
            number=values["number"] if number is None else values.get("number", number),
            dimension=embedder["dimension"],
        )


def parse_attributes(text: str) -> AttributesManifest:
    """Parse the attributes pack's manifest.

    Raises:
        ModelError: if the document is not valid TOML or a key is missing.
    """
    with _reading():
        values = tomllib.loads(text)
        return AttributesManifest(
            **_description(values),
            networks=tuple(parse_network(each, each["file"]) for each in values["networks"]),
            tables=tuple(Table(**each) for each in values.get("tables", ())),
            text=text,
            data=values["data"],
        )


def _read(name: str) -> str:
    return (PACKS / f"{name}.toml").read_text("utf-8")


@contextmanager
def _reading() -> Iterator[None]:
    """Convert the errors of an invalid manifest to ModelError."""
    try:
        yield
    except tomllib.TOMLDecodeError as error:
        raise ModelError(f"The pack's manifest is not valid TOML: {error}.") from error
    except KeyError as error:
        raise ModelError(f"The pack's manifest lacks the key {error}.") from error


def _description(values: dict[str, Any]) -> dict[str, Any]:
    """Return the keys that packs of every kind have."""
    required = ("name", "version", "title", "licence", "commercial_use")
    return {key: values[key] for key in required} | {"licence_url": values.get("licence_url")}
