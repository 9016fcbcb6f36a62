"""Authentication of callers, before any other part of a request is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from facedex.access.authorization import UNSIGNED
from facedex.api.catalog import OPERATIONS
from facedex.api.errors import (
    AccessDeniedException,
    InvalidSignatureException,
    MissingAuthenticationTokenException,
)
from facedex.settings import Auth, settings

if TYPE_CHECKING:
    from facedex.store.keyring import KeyRing

_NO_TEXT: Final = "\N{REPLACEMENT CHARACTER}"  # in place of bytes that are no text
_CHANGED: Final = (
    "If the body is a photo, set Content-Type to image/jpeg or image/png: API Gateway changes"
    " bodies of other types that are not text."
)


@dataclass(frozen=True, slots=True)
class Caller:
    """The authenticated sender of a request.

    Attributes:
        name: id of the access key or IAM ARN; empty if the service does not authenticate callers.
        read_only: whether the caller may only call operations that change nothing.
    """

    name: str = ""
    read_only: bool = False

    def require(self, operation: str) -> None:
        """Check that the caller is allowed to call an operation of the catalog.

        Raises:
            AccessDeniedException: if the caller is not allowed to.
        """
        if self.read_only and OPERATIONS[operation].changes:
            raise AccessDeniedException(
                f"User: {self.name} is not authorized to perform: rekognition:{operation}"
                " because the access key is read-only"
            )


def authenticate(
    event: Mapping[str, Any], body: str | bytes, keyring: Callable[[], KeyRing]
) -> Caller:
    """Identify the caller of a request in the way that the setting ``FACEDEX_AUTH`` requires.

    Args:
        event: a REST proxy event of API Gateway.
        body: the request's body, base64-decoded if the event had it encoded.
        keyring: returns the active access keys; called only if the setting is ``keys``.

    Raises:
        ServiceError: if the request is not signed by a caller with access.
    """
    match settings().auth:
        case Auth.NONE:
            return Caller()
        case Auth.IAM:
            return _caller_from_gateway(event)
        case Auth.KEYS:
            # Imported here, as botocore adds about 0.1 s to a cold start.
            from facedex.access.signatures import verify
            from facedex.store.access_keys import Permission

            sent = body if isinstance(body, bytes) else body.encode("utf-8", "surrogatepass")
            try:
                key = verify(event, sent, keyring().find)
            except InvalidSignatureException as error:
                # API Gateway passes a body on as text unless its Content-Type is that of a photo.
                if not isinstance(body, str) or _NO_TEXT not in body:
                    raise
                raise InvalidSignatureException(f"{error} {_CHANGED}") from None
            return Caller(key.access_key_id, read_only=key.permission is Permission.READ_ONLY)


def _caller_from_gateway(event: Mapping[str, Any]) -> Caller:
    # The event of a route without an authorizer has no identity: deny access rather than allow it.
    identity = (event.get("requestContext") or {}).get("identity") or {}
    if not identity.get("userArn"):
        raise MissingAuthenticationTokenException(UNSIGNED)
    return Caller(identity["userArn"])
