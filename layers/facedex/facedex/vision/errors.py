"""What can go wrong between bytes and vectors."""

from __future__ import annotations

from pathlib import Path


class InvalidImage(ValueError):
    """The bytes are not a whole JPEG or PNG image."""


class ImageTooLarge(ValueError):
    """The image has more pixels than the product decodes."""


class PackMissing(RuntimeError):
    """The model pack is not on disk, not whole, or of a kind this version does not run."""

    @classmethod
    def at(cls, directory: Path) -> PackMissing:
        """Return the error for a directory that lacks a file of the pack."""
        return cls(
            f"There is no whole model pack in {directory}; fetch one with `facedex models pull`."
        )


class Uncalibrated(PackMissing):
    """The model pack finds and embeds faces, but nobody has measured what its cosines mean."""
