"""What the inner rooms raise, as the errors that Rekognition has for it."""

from __future__ import annotations

from typing import Final

from facedex.api import errors
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


def service_error(raised: Exception) -> errors.ServiceError:
    """The error to answer with.

    For what nobody foresaw, and for what only whoever runs the service can mend (a missing setting
    or secret), one that says nothing of the inside; the log has the rest.
    """
    if isinstance(raised, errors.ServiceError):
        return raised
    for kind in type(raised).__mro__:
        if kind in _ERRORS:
            return _ERRORS[kind](str(raised))
    return errors.InternalServerError("An internal fault; the request may be repeated.")
