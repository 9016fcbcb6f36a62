"""Errors of the store."""

from __future__ import annotations

from typing import ClassVar


class StoreError(Exception):
    """Base class of the errors below."""


class DatabaseUnavailable(StoreError):
    """The database cannot be reached or did not answer in time; a retry may succeed."""


class DatabaseFull(DatabaseUnavailable):
    """The database's disk is full; a retry may succeed when there is room."""

    MESSAGE: ClassVar = (
        "The disk of the database is full, so nothing was changed; try again when it has room."
    )


class CollectionExists(StoreError):
    """The collection's name is taken."""


class CollectionNotFound(StoreError):
    """There is no such collection."""


class FaceNotFound(StoreError):
    """There is no such face in the collection."""


class FaceAssociated(StoreError):
    """The face belongs to the user."""


class UserExists(StoreError):
    """The user's name is taken in the collection."""


class UserNotFound(StoreError):
    """There is no such user in the collection."""


class TooManyFaces(StoreError):
    """The user has the maximum number of faces."""


class TooManyTags(StoreError):
    """The resource would have more tags than allowed."""


class RequestMismatch(StoreError):
    """A ClientRequestToken was used before, with another request."""


class ModelMismatch(StoreError):
    """The vectors come from another model pack than the collection's; read the collection again."""


class AccessKeyNotFound(StoreError):
    """There is no such access key."""


class WrongKeysSecret(StoreError):
    """The secrets of the access keys were encrypted under another key and cannot be read."""


class JobNotFound(StoreError):
    """There is no such video job, or its results have expired."""


class TooManyJobs(StoreError):
    """The limit of concurrent video jobs is reached."""


class LeaseLost(StoreError):
    """Another worker has the task or stream processor, or its job or run is over."""


class StreamProcessorNotFound(StoreError):
    """There is no such stream processor."""


class StreamProcessorInUse(StoreError):
    """The stream processor's name is taken, or it is in a state that does not allow this."""


class TooManyStreamProcessors(StoreError):
    """The limit of stream processors is reached."""
