"""The errors that a caller of this package may meet."""

from __future__ import annotations


class ModelError(RuntimeError):
    """A model pack could not be described, fetched, converted, stored or verified.

    The message is one sentence for the person at the terminal: what was wrong and what to do.
    """


class UnknownPack(ModelError):
    """No manifest has that name."""


class FetchFailed(ModelError):
    """The file or archive cannot be had: no network, no such release, or a full disk."""


class WrongHash(ModelError):
    """Bytes differ from the SHA-256 that the manifest or the pulled pack names."""


class UnreadableModel(ModelError):
    """A source file is not in the format that its manifest says."""


class StorageFailed(ModelError):
    """The models directory cannot take the pack: full, read-only or not a directory."""


class DamagedPack(ModelError):
    """A pulled pack is incomplete, altered, or does not load."""


class LicenceNotAccepted(ModelError):
    """The pack's licence restricts its use, and the user has not accepted it."""
