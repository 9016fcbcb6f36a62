"""Rows of the audit log: who did what to which face.

A row is a JSON object in canonical form. It has ids, never names: those of collections, users and
stream processors are digests (:meth:`Names.digest`). The database adds each row to a chain of
hashes; see ``migrations/0014_audit.sql``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final

import orjson

from facedex.store.database import Connection, Database

# Most face ids in a row: of a change, all of the largest request; of any other request, the first
# of the response.
_MOST_CHANGED: Final = 4096
_MOST_READ: Final = 100

_INSERT: Final = "INSERT INTO audit_log (entry) VALUES (%s)"


class Outcome(StrEnum):
    """The outcome of a request.

    ``denied``: the caller is unknown or not allowed to. ``failed``: any other error.
    """

    ALLOWED = "allowed"
    DENIED = "denied"
    FAILED = "failed"


class CallerKind(StrEnum):
    """How the caller of a request is known.

    ``key``: by an access key that signed it. ``iam``: by API Gateway's authorizer. ``anonymous``:
    the service authenticates no caller. ``claimed``: the request names an access key, and the
    signature is not valid. ``s3``: by S3's notification. ``operator``: by a command or an
    invocation of the function that manages access keys.
    """

    KEY = "key"
    IAM = "iam"
    ANONYMOUS = "anonymous"
    CLAIMED = "claimed"
    S3 = "s3"
    OPERATOR = "operator"


@dataclass(slots=True)
class Trail:
    """The row of one request, until it is written.

    The first transaction of the request that is committed contains it, so that no change is
    without its row; see :meth:`Database.recording`.

    Attributes:
        members: what is known of the request; members that are empty are not written.
        changes: whether the request may change data.
        faces: the ids of the faces that the request reads or changes.
        enabled: whether the row is to be written.
        written: whether it is committed.
    """

    members: dict[str, Any]
    changes: bool = True
    faces: list[str] = field(default_factory=list)
    enabled: bool = True
    written: bool = False

    def touch(self, faces: Iterable[object] | None = None, **members: str | int | None) -> None:
        """Note the faces and other records that the request reads or changes.

        Args:
            faces: their ids, instead of those noted before.
            members: of the row.
        """
        if faces is not None:
            self.faces = [str(face) for face in faces]
        self.members.update(members)

    @property
    def is_due(self) -> bool:
        """Whether the row is still to be written."""
        return self.enabled and not self.written

    def text(self, outcome: Outcome = Outcome.ALLOWED, error: str | None = None) -> str:
        """Return the row in canonical form."""
        return canonical(
            {
                **self.members,
                "outcome": outcome,
                "error": error,
                "faces": self.faces[: _MOST_CHANGED if self.changes else _MOST_READ],
                "face_count": len(self.faces),
            }
        )


def operator_trail(operation: str, request_id: str, **members: str | None) -> Trail:
    """Return the row of a change that an operator makes with a command or an invocation.

    Args:
        operation: its name.
        request_id: the id of the command's run, or of the invocation.
        members: further members of the row.
    """
    known = {"time": timestamp(), "request": request_id, "operation": operation}
    return Trail({**known, "caller_kind": CallerKind.OPERATOR, **members})


def canonical(entry: Mapping[str, Any]) -> str:
    """Return an entry as JSON without spaces and empty members, its names in order."""
    filled = {name: value for name, value in entry.items() if value}
    return orjson.dumps(filled, option=orjson.OPT_SORT_KEYS).decode()


def timestamp(moment: datetime | None = None) -> str:
    """Return a time, by default the current one, as rows have it."""
    return (moment or datetime.now(UTC)).isoformat(timespec="microseconds")


def write(connection: Connection, entry: str) -> None:
    """Add a row in the connection's transaction."""
    connection.execute(_INSERT, (entry,))


def write_quickly(database: Database, entry: str) -> None:
    """Add a row in a transaction of its own, without waiting for the disk.

    If the database server crashes within a second, the row can be lost.

    Raises:
        DatabaseUnavailable: if the database does not answer, or its disk has no room.
    """
    database.require_room(frees=True)
    with database.autocommit() as connection:
        connection.execute("SELECT add_audit(%s)", (entry,))


@dataclass(frozen=True, slots=True)
class Names:
    """The digests of names.

    Attributes:
        secret: the deployment's own key of them.
    """

    secret: bytes = field(repr=False)

    def digest(self, kind: str, name: str) -> str:
        """Return the digest of a name: 128 bits of SHA-256, in hexadecimal.

        Args:
            kind: "collection", "user" or "processor".
            name: the name, after its region and, for a user, its collection.
        """
        text = f"{kind} {name}".encode("utf-8", "surrogatepass")
        return sha256(self.secret + text).hexdigest()[:32]

    def collection(self, region: str, collection_id: str) -> str:
        """Return the digest of a collection's name."""
        return self.digest("collection", f"{region}/{collection_id}")

    def user(self, region: str, collection_id: str, user_id: str) -> str:
        """Return the digest of a user's name."""
        return self.digest("user", f"{region}/{collection_id}/{user_id}")

    def processor(self, region: str, name: str) -> str:
        """Return the digest of a stream processor's name."""
        return self.digest("processor", f"{region}/{name}")
