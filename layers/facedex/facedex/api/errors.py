"""Rekognition's errors as exceptions: raise one, and the caller's SDK raises its own of that name.

The first group is modelled by Rekognition's service model, the second is what every AWS JSON
service answers before an operation is reached.
"""

from __future__ import annotations

from typing import ClassVar


class ServiceError(Exception):
    """An answer other than success.

    Attributes:
        status: HTTP status of the answer. SDKs repeat a request by themselves from 500 on.
    """

    status: ClassVar[int] = 400

    @property
    def code(self) -> str:
        """The error's code on the wire, which is the class's name."""
        return type(self).__name__

    @property
    def message(self) -> str:
        """One sentence for the caller."""
        return str(self)


class ConflictException(ServiceError):
    """The user exists already."""


class IdempotentParameterMismatchException(ServiceError):
    """The ClientRequestToken was used before, with other parameters."""


class ImageTooLargeException(ServiceError):
    """The image has more bytes or pixels than are allowed."""


class InternalServerError(ServiceError):
    """A fault of ours or of something we stand on; worth repeating."""

    status = 500


class InvalidImageFormatException(ServiceError):
    """The bytes are not a whole JPEG or PNG."""


class InvalidPaginationTokenException(ServiceError):
    """The token was not made here, was made for another request, or points into the past."""


class InvalidParameterException(ServiceError):
    """A parameter has the right form and still cannot be used."""


class InvalidS3ObjectException(ServiceError):
    """The S3 object does not exist or may not be read."""


class LimitExceededException(ServiceError):
    """There are as many video jobs under way, or stream processors, as there may be."""


class ResourceAlreadyExistsException(ServiceError):
    """The name is taken."""


class ResourceInUseException(ServiceError):
    """The stream processor's name is taken, or its state does not allow this."""


class ResourceNotFoundException(ServiceError):
    """There is no such collection, face, user or stream processor."""


class ServiceQuotaExceededException(ServiceError):
    """There would be more of something than there may be."""


class VideoTooLargeException(ServiceError):
    """The video has more bytes than are allowed."""


class AccessDeniedException(ServiceError):
    """The caller is known and may not do this."""


class IncompleteSignatureException(ServiceError):
    """The signature lacks a part, or a part has the wrong form."""


class InvalidSignatureException(ServiceError):
    """The signature is not that of this request, now, for this service."""


class MissingAuthenticationTokenException(ServiceError):
    """The request is not signed."""


class UnrecognizedClientException(ServiceError):
    """There is no such access key, or it is disabled."""


class RequestEntityTooLargeException(ServiceError):
    """The request is larger than any valid one could be."""

    status = 413


class SerializationException(ServiceError):
    """The body is not JSON, or a member has another type than the service model says."""


class UnknownOperationException(ServiceError):
    """The service has no such operation, or this one does not offer it."""


class ValidationException(ServiceError):
    """Members break the service model's constraints; the message names each."""
