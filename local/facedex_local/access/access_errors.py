"""The reason for which a request is refused, before it is written in its service's form."""

from __future__ import annotations

from typing import Final


class Refused(Exception):
    """A request that S3 would refuse.

    Attributes:
        code: S3's error code.
        status: HTTP status.
    """

    def __init__(self, code: str, message: str, status: int = 403) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


# Arguments of Refused.
UNSIGNED: Final = ("AccessDenied", "Access Denied")
MISMATCH: Final = (
    "SignatureDoesNotMatch",
    "The request signature we calculated does not match the signature you provided. Check your key"
    " and signing method.",
)
UNKNOWN_KEY: Final = (
    "InvalidAccessKeyId",
    "The AWS Access Key Id you provided does not exist in our records.",
)
SESSION: Final = ("InvalidToken", "The provided token is malformed or otherwise invalid.", 400)
READ_ONLY: Final = (
    "AccessDenied",
    "The access key is read-only, and this request may change data.",
)
