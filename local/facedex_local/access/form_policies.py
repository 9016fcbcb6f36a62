"""Policies of upload forms: a form is allowed if it meets each condition, and has no other fields.

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html.
"""

from __future__ import annotations

import json
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from facedex_local.access.access_errors import Refused

# Fields that the policy does not have to mention.
_EXEMPT: Final = frozenset({"x-amz-signature", "signature", "awsaccesskeyid", "file", "policy"})
_IGNORED: Final = "x-ignore-"

Fields = Mapping[str, str]


def check(fields: Fields, size: int, bucket: str, now: datetime) -> None:
    """Check that a form meets its policy, whose signature has been verified.

    Args:
        fields: values by lower-case name, without the file.
        size: bytes of the file.
        bucket: the bucket that the address names.
        now: the current time.

    Raises:
        Refused: if the policy is not valid or has expired, or if the form does not meet it.
    """
    try:
        policy = json.loads(b64decode(fields["policy"], validate=True))
        expires = datetime.fromisoformat(policy["expiration"])
        conditions = [_condition(each) for each in policy["conditions"]]
    except (NotBase64, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise invalid("It is not a JSON document with 'expiration' and 'conditions'.") from None
    if now > (expires if expires.tzinfo else expires.replace(tzinfo=UTC)):
        raise Refused("AccessDenied", "Invalid according to Policy: Policy expired.")
    if fields.get("bucket", bucket) != bucket:
        raise Refused(
            "InvalidArgument", "The field 'bucket' names another bucket than the path.", 400
        )
    given = {**fields, "bucket": bucket}
    covered = set()
    for operator, name, value in conditions:
        if operator == "content-length-range":
            _check_size(size, name, value)
            continue
        covered.add(name)
        found = given.get(name, "")
        if found != value if operator == "eq" else not found.startswith(value):
            raise Refused(
                "AccessDenied",
                f"Invalid according to Policy: Policy Condition failed: {operator} ${name[:80]}",
            )
    extra = {
        name for name in given if name not in covered | _EXEMPT and not name.startswith(_IGNORED)
    }
    if extra:
        raise Refused(
            "AccessDenied",
            f"Invalid according to Policy: Extra input fields: {min(extra)[:80]}",
        )


def _condition(given: Any) -> tuple[str, Any, Any]:
    """Return a condition's operator, its field in lower case and its value."""
    if isinstance(given, dict):
        ((name, value),) = given.items()
        return "eq", name.lower(), str(value)
    operator, name, value = given
    operator = operator.lower()
    if operator == "content-length-range":
        return operator, int(name), int(value)
    if operator not in ("eq", "starts-with") or not name.startswith("$"):
        raise ValueError(operator)
    return operator, name[1:].lower(), str(value)


def _check_size(size: int, least: int, most: int) -> None:
    if size < least:
        raise Refused(
            "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size", 400
        )
    if size > most:
        raise Refused(
            "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size", 400
        )


def invalid(reason: str) -> Refused:
    """Return the error of a policy that is not valid.

    Args:
        reason: a sentence.
    """
    return Refused("InvalidPolicyDocument", f"The policy of the form is not valid. {reason}", 400)
