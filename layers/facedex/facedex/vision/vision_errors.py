"""Errors of image decoding and of model packs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from facedex.vision import numbers


class InvalidImage(ValueError):
    """The bytes are not a complete JPEG or PNG image."""


class Busy(RuntimeError):
    """Other images are being decoded, and the turn of this one did not come in time."""


class ImageTooLarge(ValueError):
    """The image has more pixels than allowed."""


class ImageTooSmall(ValueError):
    """The image has too few pixels to hold a face."""


class PackMissing(RuntimeError):
    """The model pack is missing, incomplete, or of a kind that this version does not support."""

    @classmethod
    def at(cls, directory: Path) -> PackMissing:
        """Return the error for a directory that lacks a file of the pack."""
        name = directory.name
        return cls(
            f"The model pack {name} is not installed or incomplete; fetch it with"
            f" `facedex models pull {name}`."
        )

    @classmethod
    def damaged(cls, file: Path) -> PackMissing:
        """Return the error for a file of a pack that has changed since it was pulled."""
        name = file.parent.name
        return cls(
            f"The file {file.name} of the model pack {name} was altered since it was pulled; fetch"
            f" it again with `facedex models pull {name}`."
        )

    @classmethod
    def replaced(cls, directory: Path) -> PackMissing:
        """Return the error for a pack that was pulled again after its manifest was read."""
        return cls(
            f"The model pack {directory.name} was pulled again while this process used it; restart"
            " Facedex."
        )

    @classmethod
    def unusable(cls, file: Path) -> PackMissing:
        """Return the error for a file of a pack that ONNX Runtime cannot load."""
        name = file.parent.name
        return cls(
            f"The file {file.name} of the model pack {name} cannot be loaded: either the memory is"
            " insufficient, or the file is damaged; fetch it again with"
            f" `facedex models pull {name}`."
        )


class PackNotInstalled(PackMissing):
    """No installed pack has the required FaceModelVersion.

    Args:
        model_version: the required FaceModelVersion.
        here: FaceModelVersions of the installed packs, by name.

    Attributes:
        what: the required pack, as a noun phrase.
        remedy: the solution, as a clause.
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
    """The model pack has no calibration, which converts cosines to similarities."""
