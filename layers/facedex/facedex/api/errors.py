"""Rekognition's errors as exceptions; the caller's SDK raises its own exception of that name.

Rekognition's service model defines the first group. The second consists of the errors that every
AWS JSON service returns before it runs an operation. The sentences with which messages begin are
those of "Error messages and codes" in Rekognition's developer guide, where clients know them from:
https://docs.aws.amazon.com/rekognition/latest/dg/error-handling.html
"""

from __future__ import annotations

from typing import ClassVar


class ServiceError(Exception):
    """An error response.

    Args:
        message: what was wrong and what would be right.
        opening: the sentence before it in the response, if not the one of the class.

    Attributes:
        status: HTTP status of the response. SDKs retry automatically at 500 and above.
        opening: Rekognition's sentence for this error; empty if the guide has none.
    """

    status: ClassVar[int] = 400
    opening: str = ""

    def __init__(self, message: str, *, opening: str | None = None) -> None:
        super().__init__(message)
        if opening is not None:
            self.opening = opening

    @property
    def code(self) -> str:
        """The error's code in the response, which is the class's name."""
        return type(self).__name__

    @property
    def message(self) -> str:
        """One sentence for the caller."""
        return str(self)

    @property
    def answer(self) -> str:
        """The message in the response: Rekognition's own sentence, then what was wrong here."""
        text = self.message
        return text if text.startswith(self.opening) else f"{self.opening} {text}"


class ConflictException(ServiceError):
    """The user exists already."""


class IdempotentParameterMismatchException(ServiceError):
    """The ClientRequestToken was used before, with other parameters."""


class ImageTooLargeException(ServiceError):
    """The image has more bytes or pixels than allowed."""

    opening = "Image size is too large."


class InternalServerError(ServiceError):
    """The service or something that it depends on failed; the request can be retried."""

    status = 500
    opening = "Internal server error."


class InvalidImageFormatException(ServiceError):
    """The bytes are not a complete JPEG or PNG."""

    opening = "Request has invalid image format."


class InvalidPaginationTokenException(ServiceError):
    """The token was not issued by this service, or for another request, or is out of date."""

    opening = "Invalid Pagination Token."


class InvalidParameterException(ServiceError):
    """A parameter has a valid form but cannot be used."""

    opening = "Request has invalid parameters."


class InvalidS3ObjectException(ServiceError):
    """The S3 object does not exist or may not be read."""

    opening = "Request has invalid S3 object."


class LimitExceededException(ServiceError):
    """The limit of running video jobs or of stream processors is reached."""


class ProvisionedThroughputExceededException(ServiceError):
    """The rate of requests is above the limit; SDKs wait and retry."""

    opening = "Provisioned Rate exceeded."


class ResourceAlreadyExistsException(ServiceError):
    """The collection's name is already in use."""


class ResourceInUseException(ServiceError):
    """The stream processor's name is already in use, or its state does not allow the operation."""


class ResourceNotFoundException(ServiceError):
    """There is no such collection, face, user or stream processor."""


class ServiceQuotaExceededException(ServiceError):
    """The request would exceed a quota."""


class ThrottlingException(ServiceError):
    """The rate of requests rose suddenly; SDKs wait and retry.

    The guide lists it with the status 400 and this sentence, and with 500 for a busy service.
    """

    opening = "Slow down; sudden increase in rate of requests."


class VideoTooLargeException(ServiceError):
    """The video has more bytes than allowed."""


class AccessDeniedException(ServiceError):
    """The caller is authenticated but not authorized to call the operation."""


class IncompleteSignatureException(ServiceError):
    """A part of the signature is missing or malformed."""


class InvalidSignatureException(ServiceError):
    """The signature does not match the request, the current time or the service."""


class MissingAuthenticationTokenException(ServiceError):
    """The request is not signed."""


class UnrecognizedClientException(ServiceError):
    """The access key does not exist or is disabled."""


class RequestEntityTooLargeException(ServiceError):
    """The request is larger than any valid one could be."""

    status = 413


class SerializationException(ServiceError):
    """The body is not JSON, or a member does not have the service model's type."""


class UnknownOperationException(ServiceError):
    """The operation does not exist or is not implemented."""


class ValidationException(ServiceError):
    """Members break the service model's constraints; the message lists them."""
