"""Stream processors: what their owners create, start, stop and delete.

The runs of started processors are in :mod:`facedex.store.stream_runs`.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

from psycopg.errors import UniqueViolation

from facedex.store.collections import Collection
from facedex.store.database import Connection
from facedex.store.errors import (
    StreamProcessorInUse,
    StreamProcessorNotFound,
    TooManyStreamProcessors,
)

# One request at a time counts the processors.
_COUNTING: Final = "stream_processors"

# A processor that was to stop and whose worker has died counts as stopped, even before a sweep.
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
        data_stream_arn: the Kinesis data stream that its records go to.
        role_arn: as given; Facedex assumes no role.
        collection_key, collection_id: the gallery: its key at the last start, and its name.
        threshold: lowest similarity of a match, 0..100.
        data_sharing: the owner's choice about sharing data; Facedex shares none.
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
        status_message: the reason why it failed, or what it waits for.
        updated_at: time when it was last started, stopped, changed, or failed.
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
    """Create a processor, which is STOPPED.

    Args:
        definition: settings; the collection is locked with ``collections.find(...,
            for_update=True)``.
        limit: most processors, this one included.

    Raises:
        StreamProcessorInUse: the name is taken.
        TooManyStreamProcessors: the limit is reached.
    """
    connection.execute("SELECT lock_name(%s)", (_COUNTING,))
    count = connection.execute("SELECT count(*) AS number FROM stream_processors").fetchone()
    assert count is not None
    try:
        row = connection.execute(
            "INSERT INTO stream_processors (name, video_stream_arn, data_stream_arn, role_arn,"
            " collection_key, collection_id, threshold, data_sharing)"
            f" VALUES (%s, %s, %s, %s, %s, %s, %s, %s) RETURNING {COLUMNS}",
            astuple(definition),
        ).fetchone()
    except UniqueViolation:
        raise StreamProcessorInUse(
            f"There is a stream processor named {definition.name} already"
        ) from None
    if count.number >= limit:
        raise TooManyStreamProcessors(
            f"There are {count.number} stream processors, and {limit} may be; delete one first"
        )
    return from_row(row)


def find(connection: Connection, name: str, *, for_update: bool = False) -> StreamProcessor:
    """Return the processor of that name.

    Args:
        for_update: block other changes of it until the transaction ends.

    Raises:
        StreamProcessorNotFound: there is none.
    """
    row = connection.execute(
        f"SELECT {COLUMNS} FROM stream_processors WHERE name = %s"
        + (" FOR UPDATE" if for_update else ""),
        (name,),
    ).fetchone()
    if row is None:
        raise StreamProcessorNotFound(f"There is no stream processor named {name}")
    return from_row(row)


def page(connection: Connection, *, after: int, limit: int) -> list[StreamProcessor]:
    """Return at most ``limit`` processors in the order of creation, after key ``after``."""
    rows = connection.execute(
        f"SELECT {COLUMNS} FROM stream_processors"
        " WHERE processor_key > %s ORDER BY processor_key LIMIT %s",
        (after, limit),
    )
    return [from_row(row) for row in rows]


def start(connection: Connection, processor: StreamProcessor, collection: Collection) -> UUID:
    """Begin a run: set the status to STARTING and its message as due.

    Args:
        processor: locked by this transaction.
        collection: the collection that has the processor's collection id now; the run searches this
            one, even if another gets its name later.

    Returns:
        The run's id.

    Raises:
        StreamProcessorInUse: it is neither STOPPED nor FAILED.
    """
    if processor.status not in ("STOPPED", "FAILED"):
        raise StreamProcessorInUse(
            f"The stream processor {processor.name} is {processor.status}; only one that is STOPPED"
            " or FAILED can be started"
        )
    run = uuid4()
    connection.execute(
        "UPDATE stream_processors SET status = 'STARTING', status_message = NULL, run = %s,"
        " collection_key = %s, started_at = now(), updated_at = now(), checkpoint = NULL,"
        " lease = NULL, leased_at = NULL, leased_until = NULL, failures = 0, sends = 0,"
        " send_after = now() WHERE processor_key = %s",
        (run, collection.key, processor.key),
    )
    return run


def stop(connection: Connection, processor: StreamProcessor) -> None:
    """End a run: STOPPED, or STOPPING until its worker has released it.

    Args:
        processor: locked by this transaction.

    Raises:
        StreamProcessorInUse: it is not running; AWS has no other error for this.
    """
    if processor.status in ("STOPPED", "FAILED"):
        raise StreamProcessorInUse(
            f"The stream processor {processor.name} is {processor.status}, so there is nothing to"
            " stop"
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
    """Store the owner's choice about sharing data."""
    connection.execute(
        "UPDATE stream_processors SET data_sharing = %s, updated_at = now()"
        " WHERE processor_key = %s",
        (preference, processor.key),
    )


def delete(connection: Connection, processor: StreamProcessor) -> None:
    """Remove a processor with its tags.

    A processor that is STARTING and has no worker yet can be removed as well: Rekognition's guide
    offers no other remedy for one that stays so.

    Args:
        processor: locked by this transaction.

    Raises:
        StreamProcessorInUse: a worker has it.
    """
    if processor.status in ("RUNNING", "STOPPING"):
        raise StreamProcessorInUse(
            f"The stream processor {processor.name} is {processor.status}; stop it first"
        )
    connection.execute(
        "DELETE FROM stream_processors WHERE processor_key = %s",
        (processor.key,),
    )


def from_row(row: Any) -> StreamProcessor:
    """Return a processor from ``COLUMNS`` of a row."""
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
