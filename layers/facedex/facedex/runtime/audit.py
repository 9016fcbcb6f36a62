"""The audit log's row of a request: what it contains, and whether and when it is written.

The row of a change is written by the transaction of the change; see ``facedex.store.audit``. All
other rows are written here, before the response: of requests that read records, and of those that
are denied or fail.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from facedex.api import errors
from facedex.api.catalog import OPERATIONS, VARIANTS, Need
from facedex.runtime.logs import get_logger, log_failure
from facedex.runtime.refusals import is_refusal
from facedex.settings import Audit, Auth, settings
from facedex.store import audit
from facedex.store.audit import CallerKind, Names, Outcome, Trail, timestamp
from facedex.store.store_errors import DatabaseUnavailable

if TYPE_CHECKING:
    from facedex.access.authentication import Caller
    from facedex.api.arns import Owner
    from facedex.runtime.services import Services

# Rows of requests that are denied or fail: at most so many at once, and so many a second, in each
# process. Otherwise strangers could fill the disk.
_BURST: Final = 100.0
_RATE: Final = 10.0

# The access key that a request names. A secret has other characters, so that one which a client
# sends in its place is not written.
_CLAIMED: Final = re.compile(r"Credential=([A-Z0-9]{16,32})/")
_LONGEST: Final = 256  # characters of a text that a message contains
_JOB: Final = re.compile(r"[0-9a-f]{64}")
_RESOURCES: Final = {"collection": "collection", "streamprocessor": "processor"}

_logger: Final = get_logger(__name__)


def begin(event: Mapping[str, Any], request_id: str, operation: str) -> Trail:
    """Return the row of a request that has just arrived.

    Args:
        event: a REST proxy event.
        request_id: the request's id.
        operation: the name that the request gives; it may be none of the catalog's.
    """
    identity = (event.get("requestContext") or {}).get("identity") or {}
    row = OPERATIONS.get(operation)
    level = settings().audit
    return Trail(
        {
            "time": timestamp(),
            "request": request_id,
            "operation": row.name if row else "",
            "source": identity.get("sourceIp"),
        },
        changes=row is not None and row.changes,
        enabled=row is not None
        and Need.DATABASE in row.needs
        and (level is Audit.ALL or (level is Audit.CHANGES and row.changes)),
    )


def begin_upload(record: Mapping[str, Any], message_id: str, region: str) -> Trail:
    """Return the row of an uploaded or removed object.

    Args:
        record: S3's notification of it.
        message_id: the id of the message with the notification.
        region: the region of the collections.
    """
    members = {
        "time": timestamp(),
        "request": message_id,
        "operation": "IndexUpload",
        "region": region,
        "caller": _text_in(record.get("userIdentity"), "principalId"),
        "caller_kind": CallerKind.S3,
        "source": _text_in(record.get("requestParameters"), "sourceIPAddress"),
    }
    return Trail(members, enabled=settings().audit is not Audit.OFF)


def begin_bulk(request_id: str, region: str) -> Trail:
    """Return the row of a photo of a bulk execution.

    Args:
        request_id: the id of the invocation.
        region: the region of the collections.
    """
    members = {
        "time": timestamp(),
        "request": request_id,
        "operation": "IndexBulk",
        "region": region,
        "caller_kind": CallerKind.OPERATOR,
    }
    return Trail(members, enabled=settings().audit is not Audit.OFF)


def follow(trail: Trail | None, operation: str | None = None) -> Trail | None:
    """Return a further row for the same request.

    Args:
        trail: the request's row.
        operation: what the further row is about, if it is not the same.
    """
    if trail is None:
        return None
    members = dict(trail.members, **({"operation": operation} if operation else {}))
    return Trail(members, trail.changes, list(trail.faces), trail.enabled)


def identify(trail: Trail, caller: Caller) -> None:
    """Note the authenticated caller."""
    kinds = {Auth.NONE: CallerKind.ANONYMOUS, Auth.KEYS: CallerKind.KEY, Auth.IAM: CallerKind.IAM}
    trail.touch(caller=caller.name, caller_kind=kinds[settings().auth])


def describe(trail: Trail | None, request: Mapping[str, Any], owner: Owner) -> None:
    """Note the records that a checked request names."""
    if trail is None or not trail.enabled:
        return
    names, region = _names(), owner.region
    members: dict[str, str | None] = {"region": region}
    search = (request.get("Settings") or {}).get("FaceSearch") or {}
    collection = request.get("CollectionId") or search.get("CollectionId")
    processor = request.get("Name")
    if arn := request.get("ResourceArn"):
        kind, _, name = arn.split(":", 5)[-1].partition("/")
        if resource := _RESOURCES.get(kind):
            members[resource] = names.digest(resource, f"{region}/{name}")
    if collection:
        members["collection"] = names.collection(region, collection)
        if user := request.get("UserId"):
            members["user"] = names.user(region, collection, user)
    if processor:
        members["processor"] = names.processor(region, processor)
    if _JOB.fullmatch(request.get("JobId", "")):
        members["job"] = request["JobId"]
    faces = request.get("FaceIds") or ([request["FaceId"]] if "FaceId" in request else [])
    trail.touch(faces, **members)


def complete(trail: Trail | None, services: Services, response: Mapping[str, Any]) -> None:
    """Write the row of a request that has succeeded, if no transaction of it did.

    Args:
        trail: the row.
        services: of the request.
        response: the response, which names the faces that were read.

    Raises:
        DatabaseUnavailable: if the row cannot be written: the response must not be sent.
    """
    if trail is not None and trail.is_due:
        trail.touch(dict.fromkeys((*trail.faces, *_faces(response))))
        audit.write_quickly(services.database, trail.text())
        trail.written = True


def record_failure(trail: Trail | None, error: errors.ServiceError, raised: Exception) -> None:
    """Write the row of a request that was denied or failed, if it is one that has a row.

    The response is the same if the row cannot be written, since the caller gets nothing.

    Args:
        trail: the row; None if the settings could not be read.
        error: the response.
        raised: the error that caused it.
    """
    if trail is None or not trail.members["operation"] or isinstance(raised, DatabaseUnavailable):
        return
    outcome = Outcome.DENIED if is_refusal(error) else Outcome.FAILED
    if not (trail.enabled or (outcome is Outcome.DENIED and _notes_denials(trail))):
        return
    trail.changes = False  # the faces that the request names need not exist
    omitted = _allowance().take()
    if omitted is None:
        return
    trail.touch(omitted=omitted or None)
    try:
        from facedex.runtime.services import database

        audit.write_quickly(database(), trail.text(outcome, error.code))
    except Exception as failure:  # whatever the reason, the caller receives the error that is due
        ended = "was denied" if outcome is Outcome.DENIED else "failed"
        log_failure(_logger, f"A request that {ended} has no row in the audit log", failure)


def claimed_caller(event: Mapping[str, Any]) -> dict[str, str]:
    """Return the access key that a request names, which may be anyone's, as members of a row."""
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    query = event.get("queryStringParameters") or {}
    text = headers.get("authorization") or f"Credential={query.get('X-Amz-Credential', '')}"
    found = _CLAIMED.search(text)
    return {"caller": found[1], "caller_kind": CallerKind.CLAIMED} if found else {}


def _text_in(members: object, name: str) -> str | None:
    """Return the printable part of a text in a part of a message, which can have any form."""
    value = members.get(name) if isinstance(members, Mapping) else None
    # Postgres reads no JSON with the character 0, and UTF-8 has no single surrogates.
    return "".join(filter(str.isprintable, value[:_LONGEST])) if isinstance(value, str) else None


def _notes_denials(trail: Trail) -> bool:
    """Return whether a denial can be written: functions without a need have no database."""
    current = settings()
    name = trail.members["operation"]
    row = OPERATIONS.get(VARIANTS[name].operation if name in VARIANTS else name)
    if current.audit is Audit.OFF or row is None:
        return False
    return Need.DATABASE in row.needs or current.auth is Auth.KEYS


def _faces(response: object) -> Iterator[str]:
    """Return the ids of the faces in a response, in its order."""
    if isinstance(response, Mapping):
        for name, value in response.items():
            if name in ("FaceId", "SearchedFaceId"):
                yield str(value)
            else:
                yield from _faces(value)
    elif isinstance(response, list | tuple):
        for each in response:
            yield from _faces(each)


class _Allowance:
    """A limit on the rows of requests that are denied or fail."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._rows, self._at, self._omitted = _BURST, monotonic(), 0

    def take(self) -> int | None:
        """Return the number of rows omitted before this one, or None if this one is omitted."""
        with self._lock:
            now = monotonic()
            self._rows = min(_BURST, self._rows + (now - self._at) * _RATE)
            self._at = now
            if self._rows < 1:
                self._omitted += 1
                return None
            self._rows -= 1
            omitted, self._omitted = self._omitted, 0
            return omitted


@cache
def _allowance() -> _Allowance:
    return _Allowance()


def _names() -> Names:
    from facedex.runtime.services import database

    return Names(database().audit_secret)
