"""The product's own access keys, with which SDKs sign their requests."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from facedex.store.database import Connection
from facedex.store.encryption import Cipher
from facedex.store.store_errors import AccessKeyNotFound, WrongKeysSecret

# Makes ids as long as AWS's, whose length SDKs and policies check, but easy to distinguish.
_PREFIX: Final = "FDX"
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"  # RFC 4648, section 6
_FORM: Final = re.compile(r"FDX[A-Z2-7]{17}")

_COLUMNS: Final = "access_key_id, name, permission, created_at, disabled_at"


class Permission(StrEnum):
    """The operations that a key may call."""

    ALL = "all"
    READ_ONLY = "read-only"


@dataclass(frozen=True, slots=True)
class AccessKey:
    """An access key without its secret.

    Attributes:
        access_key_id: its public half.
        name: a name chosen by the operator; may be empty.
        created_at, disabled_at: times with time zone; ``disabled_at`` is None for an enabled key.
    """

    access_key_id: str
    name: str
    permission: Permission
    created_at: datetime
    disabled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Credentials:
    """Both halves of a key.

    Attributes:
        secret: the half that signs; excluded from ``repr``, so that no log contains it.
    """

    key: AccessKey
    secret: str = field(repr=False)


def create(
    connection: Connection, cipher: Cipher, permission: Permission, name: str = ""
) -> Credentials:
    """Create a key. Only this function returns a secret for display."""
    access_key_id = _PREFIX + "".join(secrets.choice(_LETTERS) for _ in range(17))
    secret = secrets.token_urlsafe(30)  # 40 characters, like AWS's
    row = connection.execute(
        "INSERT INTO access_keys (access_key_id, name, encrypted_secret, permission)"
        f" VALUES (%s, %s, %s, %s) RETURNING {_COLUMNS}",
        (access_key_id, name, cipher.encrypt(secret, bound_to=access_key_id), permission),
    ).fetchone()
    return Credentials(_access_key(row), secret)


def unstored(access_key_id: str, secret: str) -> Credentials:
    """Return a key with all permissions that the database does not contain."""
    key = AccessKey(access_key_id, "", Permission.ALL, datetime.now(UTC), None)
    return Credentials(key, secret)


def read(connection: Connection, cipher: Cipher, access_key_id: str) -> Credentials:
    """Return a key with its secret, to check a signature.

    Raises:
        AccessKeyNotFound: if the key does not exist.
        WrongKeysSecret: if its secret was encrypted under another key than the cipher's.
    """
    _require_form(access_key_id)
    row = connection.execute(
        f"SELECT {_COLUMNS}, encrypted_secret FROM access_keys WHERE access_key_id = %s",
        (access_key_id,),
    ).fetchone()
    if row is None:
        raise _not_found(access_key_id)
    secret = cipher.decrypt(bytes(row.encrypted_secret), bound_to=access_key_id)
    return Credentials(_access_key(row), secret)


def encrypt_again(connection: Connection, cipher: Cipher) -> int:
    """Encrypt every key's secret under the cipher's newest secret; return the number of keys.

    Raises:
        WrongKeysSecret: if the cipher cannot decrypt one of them.
    """
    rows = connection.execute(
        "SELECT access_key_id, encrypted_secret FROM access_keys ORDER BY access_key_id FOR UPDATE"
    ).fetchall()
    for row in rows:
        secret = cipher.decrypt(bytes(row.encrypted_secret), bound_to=row.access_key_id)
        connection.execute(
            "UPDATE access_keys SET encrypted_secret = %s WHERE access_key_id = %s",
            (cipher.encrypt(secret, bound_to=row.access_key_id), row.access_key_id),
        )
    return len(rows)


def require_readable(connection: Connection, cipher: Cipher) -> None:
    """Check that the cipher can decrypt the secret of every enabled key.

    Raises:
        WrongKeysSecret: if it cannot.
    """
    rows = connection.execute(
        "SELECT access_key_id, encrypted_secret FROM access_keys WHERE disabled_at IS NULL"
    ).fetchall()
    unreadable = 0
    for row in rows:
        try:
            cipher.decrypt(bytes(row.encrypted_secret), bound_to=row.access_key_id)
        except WrongKeysSecret:
            unreadable += 1
    if unreadable:
        raise WrongKeysSecret(
            f"{unreadable} of {len(rows)} enabled access keys in the database were encrypted under"
            " another keys.secret: copy that file from the data directory of the server that"
            " created them, or delete these keys."
        )


def list_all(connection: Connection) -> list[AccessKey]:
    """Return all keys, the oldest first."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM access_keys ORDER BY created_at, access_key_id"
    )
    return [_access_key(row) for row in rows]


def disable(connection: Connection, access_key_id: str) -> None:
    """Disable a key. A disabled key keeps the time at which it was first disabled.

    Raises:
        AccessKeyNotFound: if the key does not exist.
    """
    _change(
        connection,
        "UPDATE access_keys SET disabled_at = coalesce(disabled_at, now())",
        access_key_id,
    )


def enable(connection: Connection, access_key_id: str) -> None:
    """Enable a disabled key.

    Raises:
        AccessKeyNotFound: if the key does not exist.
    """
    _change(connection, "UPDATE access_keys SET disabled_at = NULL", access_key_id)


def delete(connection: Connection, access_key_id: str) -> None:
    """Delete a key permanently.

    Raises:
        AccessKeyNotFound: if the key does not exist.
    """
    _change(connection, "DELETE FROM access_keys", access_key_id)


def _change(connection: Connection, statement: str, access_key_id: str) -> None:
    _require_form(access_key_id)
    changed = connection.execute(f"{statement} WHERE access_key_id = %s", (access_key_id,)).rowcount
    if not changed:
        raise _not_found(access_key_id)


def _require_form(access_key_id: str) -> None:
    # An id of another form was not created here, so it needs no query.
    if not _FORM.fullmatch(access_key_id):
        raise _not_found(access_key_id)


def _not_found(access_key_id: str) -> AccessKeyNotFound:
    return AccessKeyNotFound(f"There is no access key {access_key_id[:40]!r}")


def _access_key(row: Any) -> AccessKey:
    return AccessKey(
        row.access_key_id,
        row.name,
        Permission(row.permission),
        row.created_at,
        row.disabled_at,
    )
