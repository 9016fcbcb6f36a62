"""Who calls, and what a caller may do: settled before anything else of a request is looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from facedex.access.authorization import UNSIGNED
from facedex.api.catalog import OPERATIONS
from facedex.api.errors import AccessDeniedException, MissingAuthenticationTokenException
from facedex.settings import Auth, settings

if TYPE_CHECKING:
    from facedex.store.keyring import KeyRing


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose request it is.

    Attributes:
        name: an access key's id or an IAM ARN; empty where anybody may call.
        read_only: whether only operations that change nothing may be called.
    """

    name: str = ""
    read_only: bool = False

    def require(self, operation: str) -> None:
        """Make sure that the caller may call an operation of the catalog.

        Raises:
            AccessDeniedException: it may not.
        """
        if self.read_only and OPERATIONS[operation].changes:
            raise AccessDeniedException(
                f"User: {self.name} is not authorized to perform: rekognition:{operation}"
                " because the access key is read-only"
            )


def authenticate(
    event: Mapping[str, Any], body: str | bytes, keyring: Callable[[], KeyRing]
) -> Caller:
    """Find out who sent a request, as the setting ``FACEDEX_AUTH`` wants it known.

    Args:
        event: a REST proxy event of API Gateway.
        body: the request's body, free of the event's base64.
        keyring: returns the access keys that work; called only where the setting asks for them.

    Raises:
        ServiceError: nobody who may call.
    """
    match settings().auth:
        case Auth.NONE:
            return Caller()
        case Auth.IAM:
            return _checked_by_gateway(event)
        case Auth.KEYS:
            # Imported here: it brings in botocore, about 0.1 s of a cold start.
            from facedex.access.signatures import verify
            from facedex.store.access_keys import Permission

            sent = body if isinstance(body, bytes) else body.encode("utf-8", "surrogatepass")
            key = verify(event, sent, keyring().find)
            return Caller(key.access_key_id, read_only=key.permission is Permission.READ_ONLY)


def _checked_by_gateway(event: Mapping[str, Any]) -> Caller:
    # A route that lost its authorizer tells of no identity: better shut than open to anybody.
    identity = (event.get("requestContext") or {}).get("identity") or {}
    if not identity.get("userArn"):
        raise MissingAuthenticationTokenException(UNSIGNED)
    return Caller(identity["userArn"])
