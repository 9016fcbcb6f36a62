"""The errors that this package raises."""

from __future__ import annotations


class ModelError(RuntimeError):
    """A model pack could not be described, fetched, converted, stored or verified.

    The message is one sentence for the user at the terminal: the problem and how to solve it.
    """


class UnknownPack(ModelError):
    """There is no manifest of that name."""


class FetchFailed(ModelError):
    """The file or archive cannot be fetched: no network, no such release, or a full disk."""


class WrongHash(ModelError):
    """A file does not have the SHA-256 that the manifest or the pulled pack specifies."""


class UnreadableModel(ModelError):
    """A source file is not in the format that its manifest specifies."""


class StorageFailed(ModelError):
    """The pack cannot be written to the models directory: full, read-only or not a directory."""


class DamagedPack(ModelError):
    """A pulled pack is incomplete or altered, or cannot be loaded."""


class LicenceNotAccepted(ModelError):
    """The pack's licence restricts its use, and the user has not accepted it."""
