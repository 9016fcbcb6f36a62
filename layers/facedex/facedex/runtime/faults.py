"""Errors of the inner rooms, translated into those of Rekognition."""

from __future__ import annotations

from typing import Final

from facedex.api import errors
from facedex.settings import SettingError
from facedex.store import errors as store
from facedex.vision import errors as vision

_ERRORS: Final[dict[type[Exception], type[errors.ServiceError]]] = {
    store.CollectionExists: errors.ResourceAlreadyExistsException,
    store.CollectionNotFound: errors.ResourceNotFoundException,
    store.DatabaseUnavailable: errors.InternalServerError,
    store.FaceNotFound: errors.InvalidParameterException,
    store.JobNotFound: errors.ResourceNotFoundException,
    store.ModelMismatch: errors.InternalServerError,
    store.RequestMismatch: errors.IdempotentParameterMismatchException,
    store.StreamProcessorInUse: errors.ResourceInUseException,
    store.StreamProcessorNotFound: errors.ResourceNotFoundException,
    store.TooManyFaces: errors.ServiceQuotaExceededException,
    store.TooManyJobs: errors.LimitExceededException,
    store.TooManyStreamProcessors: errors.LimitExceededException,
    store.TooManyTags: errors.ServiceQuotaExceededException,
    store.UserExists: errors.ConflictException,
    store.UserNotFound: errors.ResourceNotFoundException,
    vision.ImageTooLarge: errors.ImageTooLargeException,
    vision.InvalidImage: errors.InvalidImageFormatException,
    vision.PackMissing: errors.InternalServerError,
}


# Errors whose sentence says all there is to say. Those that _ERRORS lacks are for the operator.
_FORESEEN: Final[tuple[type[Exception], ...]] = (
    errors.ServiceError,
    store.StoreError,
    SettingError,
    *_ERRORS,
)


def is_foreseen(raised: Exception) -> bool:
    """Return whether the error's own sentence explains it, so that the log needs no traceback."""
    return isinstance(raised, _FORESEEN)


def service_error(raised: Exception) -> errors.ServiceError:
    """Return the error to answer with.

    An unforeseen error, and one that only the operator can correct (a missing setting or secret),
    becomes one that reveals nothing internal; the log has the rest.
    """
    if isinstance(raised, errors.ServiceError):
        return raised
    for kind in type(raised).__mro__:
        if kind in _ERRORS:
            return _ERRORS[kind](str(raised))
    return errors.InternalServerError("An internal fault; the request may be repeated.")
