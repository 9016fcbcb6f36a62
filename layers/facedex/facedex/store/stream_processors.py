"""Stream processors, which their owners create, start, stop and delete.

The runs of started processors are in :mod:`facedex.store.stream_runs`, and the cleanup after them
in :mod:`facedex.store.active_streams`.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

from psycopg.errors import UniqueViolation

from facedex.store.collections import Collection
from facedex.store.database import Connection
from facedex.store.store_errors import (
    StreamProcessorInUse,
    StreamProcessorNotFound,
    TooManyStreamProcessors,
)

# Name of the lock with which one request at a time counts the processors.
_COUNTING: Final = "stream_processors"

# A processor in state STOPPING whose worker has died counts as STOPPED, even before a sweep.
COLUMNS: Final = """
    processor_key, name, video_stream_arn, data_stream_arn, role_arn, collection_key, collection_id,
    threshold, data_sharing, status_message, created_at, updated_at,
    CASE WHEN status = 'STOPPING' AND (leased_until IS NULL OR leased_until <= now())
        THEN 'STOPPED' ELSE status END AS status
"""


@dataclass(frozen=True, slots=True)
class Definition:
    """The settings of a processor.

    Attributes:
        video_stream_arn: the Kinesis video stream that it reads.
        data_stream_arn: the Kinesis data stream to which it writes records.
        role_arn: the role in the request; Facedex assumes no role.
        collection_key, collection_id: the key, as of the last start, and the name of the gallery.
        threshold: minimum similarity of a match, 0..100.
        data_sharing: the owner's preference about sharing data; Facedex shares none.
    """

    name: str
    video_stream_arn: str
    data_stream_arn: str
    role_arn: str
    collection_key: int
    collection_id: str
    threshold: float
    data_sharing: bool | None


@dataclass(frozen=True, slots=True)
class StreamProcessor:
    """A stream processor and its status.

    Attributes:
        key: the store's own key; never reused, even if the name is.
        status: STOPPED, STARTING, RUNNING, STOPPING or FAILED.
        status_message: the reason of its failure, or its current problem.
        updated_at: time of its last start, stop, change or failure.
    """

    key: int
    definition: Definition
    status: str
    status_message: str | None
    created_at: datetime
    updated_at: datetime

    @property
    def name(self) -> str:
        """The name that its owner gave it."""
        return self.definition.name


def create(connection: Connection, definition: Definition, *, limit: int) -> StreamProcessor:
    """Create a processor in the connection's region; it is STOPPED.

    Args:
        definition: settings; the collection is locked with ``collections.find(...,
            for_update=True)``.
        limit: maximum number of processors in all regions, including this one.

    Raises:
        StreamProcessorInUse: if the name is taken in the region.
        TooManyStreamProcessors: if the limit is reached.
    """
    connection.execute("SELECT lock_name(%s)", (_COUNTING,))
    count = connection.execute(
        "SELECT count(*) AS number FROM stream_processors WHERE deleted_at IS NULL"
    ).fetchone()
    assert count is not None
    try:
        row = connection.execute(
            "INSERT INTO stream_processors (region, name, video_stream_arn, data_stream_arn,"
            " role_arn, collection_key, collection_id, threshold, data_sharing)"
            f" VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING {COLUMNS}",
            (connection.region, *astuple(definition)),
        ).fetchone()
    except UniqueViolation:
        raise StreamProcessorInUse(
            f"Stream processor name already in use. There is one named {definition.name}"
        ) from None
    if count.number >= limit:
        raise TooManyStreamProcessors(
            f"Stream processor limit exceeded for account, limit - {limit}. There are"
            f" {count.number}, and at most {limit} are allowed; delete one first"
        )
    return from_row(row)


def find(connection: Connection, name: str, *, for_update: bool = False) -> StreamProcessor:
    """Return the processor of that name in the connection's region.

    Args:
        for_update: block other changes of the processor until the transaction ends.

    Raises:
        StreamProcessorNotFound: if no processor has the name.
    """
    row = connection.execute(
        f"SELECT {COLUMNS} FROM stream_processors"
        " WHERE region = %s AND name = %s AND deleted_at IS NULL"
        + (" FOR UPDATE" if for_update else ""),
        (connection.region, name),
    ).fetchone()
    if row is None:
        raise StreamProcessorNotFound(f"There is no stream processor named {name}")
    return from_row(row)


def page(connection: Connection, *, after: int, limit: int) -> list[StreamProcessor]:
    """Return at most ``limit`` processors of the connection's region, after key ``after``.

    They are in the order of creation.
    """
    rows = connection.execute(
        f"SELECT {COLUMNS} FROM stream_processors"
        " WHERE region = %s AND processor_key > %s AND deleted_at IS NULL"
        " ORDER BY processor_key LIMIT %s",
        (connection.region, after, limit),
    )
    return [from_row(row) for row in rows]


def start(
    connection: Connection,
    processor: StreamProcessor,
    collection: Collection,
    *,
    server: str = "",
) -> UUID:
    """Start a run: set the status to STARTING and make its message due.

    Args:
        processor: locked by this transaction.
        collection: the collection that has the processor's collection id now. The run searches this
            one, even if another collection has the name later.
        server: see ``Settings.server_of``.

    Returns:
        The run's id.

    Raises:
        StreamProcessorInUse: if its status is neither STOPPED nor FAILED.
    """
    if processor.status not in ("STOPPED", "FAILED"):
        advice = (
            "start it when it is STOPPED, in a few seconds"
            if processor.status == "STOPPING"
            else "it is started already"
        )
        raise StreamProcessorInUse(
            f"Specified resource is in use. The stream processor {processor.name} is"
            f" {processor.status}; {advice}"
        )
    run = uuid4()
    connection.execute(
        "UPDATE stream_processors SET status = 'STARTING', status_message = NULL, run = %s,"
        " collection_key = %s, server = %s, started_at = now(), updated_at = now(),"
        " checkpoint = NULL, lease = NULL, leased_at = NULL, leased_until = NULL, failures = 0,"
        " sends = 0, send_after = now() WHERE processor_key = %s",
        (run, collection.key, server, processor.key),
    )
    return run


def stop(connection: Connection, processor: StreamProcessor) -> None:
    """Stop a run: set the status to STOPPED, or to STOPPING until the worker has released it.

    Args:
        processor: locked by this transaction.

    Raises:
        StreamProcessorInUse: if the processor is not running; AWS has no other error for this.
    """
    if processor.status in ("STOPPED", "FAILED"):
        raise StreamProcessorInUse(
            f"Processor not available for stopping stream. The stream processor {processor.name} is"
            f" {processor.status}, so there is nothing to stop"
        )
    connection.execute(
        "UPDATE stream_processors SET updated_at = now(),"
        " status = CASE WHEN leased_until > now() THEN 'STOPPING' ELSE 'STOPPED' END,"
        " lease = CASE WHEN leased_until > now() THEN lease END,"
        " leased_until = CASE WHEN leased_until > now() THEN leased_until END"
        " WHERE processor_key = %s AND status <> 'STOPPING'",
        (processor.key,),
    )


def count_failed(connection: Connection) -> int:
    """Return the number of FAILED processors."""
    row = connection.execute(
        "SELECT count(*) AS number FROM stream_processors WHERE status = 'FAILED'"
    ).fetchone()
    assert row is not None
    number: int = row.number
    return number


def share_data(connection: Connection, processor: StreamProcessor, preference: bool) -> None:
    """Store the owner's preference about sharing data."""
    connection.execute(
        "UPDATE stream_processors SET data_sharing = %s, updated_at = now()"
        " WHERE processor_key = %s",
        (preference, processor.key),
    )


def delete(connection: Connection, processor: StreamProcessor) -> None:
    """Remove a processor with its tags.

    A processor that is STARTING and has no worker yet can be removed too: Rekognition's guide
    offers no other remedy for one that remains in this state. One that is STOPPING disappears for
    callers at once, and its name is free, but its row remains until its worker has written the last
    records: Amazon's examples delete a processor directly after stopping it.

    Args:
        processor: locked by this transaction.

    Raises:
        StreamProcessorInUse: if it is RUNNING.
    """
    if processor.status == "RUNNING":
        raise StreamProcessorInUse(
            f"Cannot delete stream processor. The stream processor {processor.name} is RUNNING;"
            " stop it first with StopStreamProcessor"
        )
    if processor.status == "STOPPING":
        connection.execute(
            "DELETE FROM stream_processor_tags WHERE processor_key = %s", (processor.key,)
        )
        connection.execute(
            "UPDATE stream_processors SET deleted_at = now(), name = name || '/' || processor_key"
            " WHERE processor_key = %s",
            (processor.key,),
        )
        return
    connection.execute("DELETE FROM stream_processors WHERE processor_key = %s", (processor.key,))


def from_row(row: Any) -> StreamProcessor:
    """Return the processor in a row with ``COLUMNS``."""
    definition = Definition(
        row.name,
        row.video_stream_arn,
        row.data_stream_arn,
        row.role_arn,
        row.collection_key,
        row.collection_id,
        row.threshold,
        row.data_sharing,
    )
    return StreamProcessor(
        row.processor_key,
        definition,
        row.status,
        row.status_message,
        row.created_at,
        row.updated_at,
    )
