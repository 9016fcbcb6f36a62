"""Mapping of the errors of the store, the vision package and the settings to Rekognition's."""

from __future__ import annotations

from typing import Final

from facedex.api import errors
from facedex.setting_reader import SettingError
from facedex.store import store_errors as store_errors
from facedex.vision import vision_errors as vision_errors

_ERRORS: Final[dict[type[Exception], type[errors.ServiceError]]] = {
    store_errors.CollectionExists: errors.ResourceAlreadyExistsException,
    store_errors.CollectionNotFound: errors.ResourceNotFoundException,
    store_errors.DatabaseUnavailable: errors.InternalServerError,
    store_errors.FaceNotFound: errors.InvalidParameterException,
    store_errors.FaceAssociated: errors.InvalidParameterException,
    store_errors.JobNotFound: errors.ResourceNotFoundException,
    store_errors.ModelMismatch: errors.InternalServerError,
    store_errors.RequestMismatch: errors.IdempotentParameterMismatchException,
    store_errors.StreamProcessorInUse: errors.ResourceInUseException,
    store_errors.StreamProcessorNotFound: errors.ResourceNotFoundException,
    store_errors.TooManyFaces: errors.ServiceQuotaExceededException,
    store_errors.TooManyJobs: errors.LimitExceededException,
    store_errors.TooManyStreamProcessors: errors.LimitExceededException,
    store_errors.TooManyTags: errors.ServiceQuotaExceededException,
    store_errors.UserExists: errors.ConflictException,
    store_errors.UserNotFound: errors.ResourceNotFoundException,
    vision_errors.Busy: errors.ThrottlingException,
    vision_errors.ImageTooLarge: errors.ImageTooLargeException,
    vision_errors.ImageTooSmall: errors.InvalidParameterException,
    vision_errors.InvalidImage: errors.InvalidImageFormatException,
    vision_errors.PackMissing: errors.InternalServerError,
}

# Sentences of Rekognition that differ from the one of the error's class. The guide lacks this one,
# but clients repeat a search when they read it, as a new face is found a moment later there.
_OPENINGS: Final[dict[type[Exception], str]] = {
    store_errors.FaceNotFound: "faceId was not found in the collection.",
}

# Errors whose message explains them completely. Those not in _ERRORS concern the operator.
_FORESEEN: Final[tuple[type[Exception], ...]] = (
    errors.ServiceError,
    store_errors.StoreError,
    SettingError,
    *_ERRORS,
)


def is_foreseen(raised: Exception) -> bool:
    """Return whether the error's message explains it, so that the log needs no traceback."""
    return isinstance(raised, _FORESEEN)


def service_error(raised: Exception) -> errors.ServiceError:
    """Return the error for the response.

    An unforeseen error, or one that only the operator can correct (such as a missing setting), is
    replaced by a general one that reveals no internals; the log has the details.
    """
    if isinstance(raised, errors.ServiceError):
        return raised
    for kind in type(raised).__mro__:
        if kind in _ERRORS:
            return _ERRORS[kind](str(raised), opening=_OPENINGS.get(kind))
    return errors.InternalServerError("The request can be retried.")
