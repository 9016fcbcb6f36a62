"""Stream processors: what their owners create, start, stop and delete.

How a started one is worked on is in :mod:`facedex.store.stream_runs`.
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

# Only one request at a time counts how many there are.
_COUNTING: Final = "stream_processors"

# What was to stop and whose worker has died since is stopped, whether or not a sweep has come by.
COLUMNS: Final = """
    processor_key, name, video_stream_arn, data_stream_arn, role_arn, collection_key, collection_id,
    threshold, data_sharing, status_message, created_at, updated_at,
    CASE WHEN status = 'STOPPING' AND (leased_until IS NULL OR leased_until <= now())
        THEN 'STOPPED' ELSE status END AS status
"""


@dataclass(frozen=True, slots=True)
class Definition:
    """What a processor is for.

    Attributes:
        video_stream_arn: the Kinesis video stream that it reads.
        data_stream_arn: the Kinesis data stream that its records go to.
        role_arn: as given; nothing here takes on a role.
        collection_key, collection_id: the gallery, by the key for life that it had at the last
            start, and by its name.
        threshold: lowest similarity of a match, 0..100.
        data_sharing: what its owner said of sharing data, which nothing here does.
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
    """A stream processor and how it stands.

    Attributes:
        key: the store's own key; never used again, even if the name is.
        status: STOPPED, STARTING, RUNNING, STOPPING or FAILED.
        status_message: why it failed, or what it waits for.
        updated_at: when it was last started, stopped, changed, or failed.
    """

    key: int
    definition: Definition
    status: str
    status_message: str | None
    created_at: datetime
    updated_at: datetime

    @property
    def name(self) -> str:
        """The name its owner gave it."""
        return self.definition.name


def create(connection: Connection, definition: Definition, *, limit: int) -> StreamProcessor:
    """Write down a new processor, which is STOPPED.

    Args:
        definition: its collection is held with ``collections.find(..., for_update=True)``.
        limit: processors that there may be, this one included.

    Raises:
        StreamProcessorInUse: the name is taken.
        TooManyStreamProcessors: there are as many already.
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
    """The processor of that name.

    Args:
        for_update: hold off everybody else's changes of it until the transaction ends.

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
    """At most ``count`` processors in the order of their creation, from behind key ``after``."""
    rows = connection.execute(
        f"SELECT {COLUMNS} FROM stream_processors"
        " WHERE processor_key > %s ORDER BY processor_key LIMIT %s",
        (after, limit),
    )
    return [from_row(row) for row in rows]


def start(connection: Connection, processor: StreamProcessor, collection: Collection) -> UUID:
    """Begin a new run: STARTING, with its message due.

    Args:
        processor: locked by this transaction.
        collection: that of the processor's collection id, as it is now; it is what the run
            searches, and nothing else that may get its name later.

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
    """End a run: STOPPED, or STOPPING for as long as a worker has yet to let go.

    Args:
        processor: locked by this transaction.

    Raises:
        StreamProcessorInUse: it is not running. AWS has no other error for this.
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
    """How many processors are FAILED, and wait for their owner."""
    row = connection.execute(
        "SELECT count(*) AS number FROM stream_processors WHERE status = 'FAILED'"
    ).fetchone()
    assert row is not None
    number: int = row.number
    return number


def share_data(connection: Connection, processor: StreamProcessor, preference: bool) -> None:
    """Keep what the owner says of sharing data."""
    connection.execute(
        "UPDATE stream_processors SET data_sharing = %s, updated_at = now()"
        " WHERE processor_key = %s",
        (preference, processor.key),
    )


def delete(connection: Connection, processor: StreamProcessor) -> None:
    """Remove a processor with its tags.

    One that is STARTING, which no worker has taken up yet, can be removed as well: Rekognition's
    guide has no other cure for one that stays so.

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
    """A processor from ``COLUMNS`` of a row."""
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
