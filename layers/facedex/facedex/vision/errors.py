"""What can go wrong between bytes and vectors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from facedex.vision import numbers


class InvalidImage(ValueError):
    """The bytes are not a whole JPEG or PNG image."""


class ImageTooLarge(ValueError):
    """The image has more pixels than the product decodes."""


class PackMissing(RuntimeError):
    """The model pack is not on disk, not whole, or of a kind this version does not run."""

    @classmethod
    def at(cls, directory: Path) -> PackMissing:
        """Return the error for a directory that lacks a file of the pack."""
        name = directory.name
        return cls(
            f"The model pack {name} is not here, or not whole; fetch it with"
            f" `facedex models pull {name}`."
        )

    @classmethod
    def damaged(cls, file: Path) -> PackMissing:
        """Return the error for a file of a pack that is not the one that was pulled."""
        name = file.parent.name
        return cls(
            f"The file {file.name} of the model pack {name} was altered since it was pulled; fetch"
            f" it again with `facedex models pull {name}`."
        )

    @classmethod
    def unusable(cls, file: Path) -> PackMissing:
        """Return the error for a file of a pack that ONNX Runtime cannot load."""
        name = file.parent.name
        return cls(
            f"The file {file.name} of the model pack {name} cannot be loaded: there is too little"
            f" memory, or it is damaged; fetch it again with `facedex models pull {name}`."
        )


class PackNotInstalled(PackMissing):
    """No pack here makes vectors of the FaceModelVersion that is wanted.

    Args:
        model_version: the one that is wanted.
        here: the FaceModelVersions of the packs that are here, by name.

    Attributes:
        what: the pack, as the object of a sentence.
        remedy: what to do, as the end of one.
    """

    def __init__(self, model_version: str, here: Mapping[str, str]) -> None:
        name = numbers.name(model_version)
        if name is None:
            self.what = f"a model pack with the FaceModelVersion {model_version}"
            self.remedy = "this release of Facedex has none"
        elif name in here:
            self.what = f"version {model_version} of the model pack {name}"
            self.remedy = f"{here[name]} is"
        else:
            self.what = f"the model pack {name} (FaceModelVersion {model_version})"
            self.remedy = (
                f"install it with `facedex models pull {name}` (in a deployment, add it to the"
                " setting `packs`)"
            )
        super().__init__(
            f"{self.what[0].upper()}{self.what[1:]} is not installed here; {self.remedy}."
        )


class Uncalibrated(PackMissing):
    """The model pack finds and embeds faces, but nobody has measured what its cosines mean."""
