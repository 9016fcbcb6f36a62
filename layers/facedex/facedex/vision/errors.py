"""What can go wrong between bytes and vectors."""

from __future__ import annotations


class InvalidImage(ValueError):
    """The bytes are not a whole JPEG or PNG image."""


class ImageTooLarge(ValueError):
    """The image has more pixels than the product decodes."""


class PackMissing(RuntimeError):
    """The model pack is not on disk, not whole, or of a kind this version does not run."""
