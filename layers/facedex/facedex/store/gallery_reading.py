"""Reading of a whole gallery at one snapshot, over several connections.

Postgres packs the rows of each range of the table into two values: it would take a client as long
to receive the rows one by one as it takes Postgres to read them. Other connections share the
snapshot of the first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeVar
from uuid import UUID

import psycopg

from facedex.parallel import processors
from facedex.store import vector_memory
from facedex.store.database import Connection, Database
from facedex.store.store_errors import DatabaseUnavailable
from facedex.store.vectors import halves_from_table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from facedex.gallery.scanning import Ids

    Batch = tuple[Ids, NDArray[np.float16]]

Item = TypeVar("Item")

# Rows of a range, and ranges that one statement reads. Postgres takes 0.1 to 0.3 ms to begin with a
# range. The answers have some MiB.
_ROWS: Final = 512
_RANGES: Final = 24
# With fewer rows of the gallery in each block of the table, rows are found by their keys.
_DENSE: Final = 0.25
# Vectors that show what those of the gallery are like, if there are as many.
_SAMPLE: Final = 16_384
_MOST_CONNECTIONS: Final = 4


class Reading:
    """The reading of a gallery.

    Args:
        database: from which other connections are taken, at most half of them.
        connection: in a transaction of :func:`snapshot_of`.
        table: the table.
        key: its column with random ids of 16 bytes.
        collection_key: which rows are read.
        expected: about how many there are.
    """

    def __init__(
        self,
        database: Database,
        connection: Connection,
        table: str,
        key: str,
        collection_key: int,
        expected: int,
    ) -> None:
        self._database, self._connection, self._table = database, connection, table
        _prepare(connection, table)
        row = connection.execute(
            "SELECT pg_relation_size(%s) / current_setting('block_size')::int AS blocks", (table,)
        ).fetchone()
        assert row is not None
        # A distributed table has no blocks here.
        dense = row.blocks > 0 and expected >= _DENSE * row.blocks
        self._blocks = max(1, round(_ROWS * row.blocks / max(1, expected))) if dense else 0
        self._count = -(-row.blocks // self._blocks) if dense else max(1, expected // _ROWS)
        column, kind = ("ctid", "tid") if dense else (key, "uuid")
        self._rows = f"""
            FROM {table}
            WHERE collection_key = {collection_key:d} AND vector IS NOT NULL
                AND {column} BETWEEN range.first AND range.last
        """
        self._key, self._kind = key, kind
        self._source = self._source_of(connection)
        # The numbers of the ranges that each statement reads. Those of the first ones are spread
        # over the table, in which similar faces may be next to each other.
        stride = max(1, self._count * _ROWS // _SAMPLE)
        spread = range(0, self._count, stride)
        others = [number for number in range(self._count) if number % stride]
        self._units: deque[Sequence[int]] = deque(
            some[start : start + _RANGES]
            for some in (spread, others)
            for start in range(0, len(some), _RANGES)
        )
        self._read: deque[Batch] = deque()

    def sample(self) -> NDArray[np.float16] | None:
        """Return some of the vectors, (n, d); None if there are none."""
        import numpy as np

        size = 0
        while size < _SAMPLE and self._units:
            self._read += self._ask(self._source, self._units.popleft())
            size = sum(len(ids) for ids, _ in self._read)
        if not self._read:
            return None
        return np.concatenate([vectors for _, vectors in self._read])[:_SAMPLE]

    def run(self, take: Callable[[Iterator[Batch]], None]) -> None:
        """Read all rows; call ``take`` in several threads, each with some of the batches.

        Raises:
            DatabaseUnavailable: if the database does not answer.
        """
        others = min(_MOST_CONNECTIONS, processors() + 1, self._database.use.most // 2) - 1
        others = max(0, min(others, len(self._units) // 2))
        snapshot = self._export() if others else ""
        with ThreadPoolExecutor(max(1, others), "galleries") as pool:
            started = [pool.submit(self._help, snapshot, take) for _ in range(others)]
            try:
                take(self._batches(self._source))
            except BaseException:
                self._units.clear()  # so that the others end, too
                raise
            for each in started:
                each.result()

    def _export(self) -> str:
        """Return a name of the snapshot for other connections."""
        row = self._connection.execute("SELECT pg_export_snapshot() AS name").fetchone()
        assert row is not None
        name: str = row.name
        return name

    def _help(self, snapshot: str, take: Callable[[Iterator[Batch]], None]) -> None:
        """Read a part of the rows over another connection, if there is one in time."""
        begun = False
        try:
            with self._database.reading() as connection, snapshot_of(connection):
                connection.execute(f"SET TRANSACTION SNAPSHOT '{snapshot}'")
                # A table that waits for being rewritten waits for the first connection as well.
                connection.execute("SET LOCAL lock_timeout = '100ms'")
                _prepare(connection, self._table)
                begun = True
                take(self._batches(self._source_of(connection)))
        except (DatabaseUnavailable, psycopg.Error):
            if begun:
                self._units.clear()
                raise
        except BaseException:
            self._units.clear()
            raise

    def _source_of(self, connection: Connection) -> _Source:
        """Return the connection with its statement for the rows of some ranges."""
        copied = vector_memory.declared(connection)
        sent = vector_memory.bytes_of("vector") if copied else "halfvec_send(vector)"
        statement = f"""
            SELECT packed.ids, packed.vectors
            FROM unnest(%s::{self._kind}[], %s::{self._kind}[]) AS range (first, last)
            CROSS JOIN LATERAL (
                SELECT string_agg(uuid_send({self._key}), ''::bytea) AS ids,
                    string_agg({sent}, ''::bytea) AS vectors
                {self._rows}
            ) AS packed
            WHERE packed.ids IS NOT NULL
        """
        return _Source(connection, statement, "=" if copied else ">")

    def _batches(self, source: _Source) -> Iterator[Batch]:
        """Yield batches that are read by no other thread."""
        while batch := _take(self._read):
            yield batch
        while numbers := _take(self._units):
            yield from self._ask(source, numbers)

    def _ask(self, source: _Source, numbers: Sequence[int]) -> list[Batch]:
        """Return the rows of these ranges: one batch, or none if they are empty."""
        bounds = [self._bounds(number) for number in numbers]
        with source.connection.cursor(binary=True) as cursor:
            rows = cursor.execute(
                source.statement, ([first for first, _ in bounds], [last for _, last in bounds])
            ).fetchall()
        if not rows:
            return []
        return [_parse([row.ids for row in rows], [row.vectors for row in rows], source.order)]

    def _bounds(self, number: int) -> tuple[object, object]:
        """Return the first and the last place or key of a range."""
        if self._blocks:
            start = number * self._blocks
            return f"({start},0)", f"({start + self._blocks - 1},65535)"
        start, end = ((each << 128) // self._count for each in (number, number + 1))
        return UUID(int=start), UUID(int=end - 1)


@dataclass(frozen=True, slots=True)
class _Source:
    """A connection in a transaction with the snapshot.

    Attributes:
        statement: for the rows of some ranges.
        order: of the bytes of the numbers in its answer, as in :func:`halves_from_table`.
    """

    connection: Connection
    statement: str
    order: Literal[">", "="]


@contextmanager
def snapshot_of(connection: Connection) -> Iterator[None]:
    """Let a connection that is not in a transaction read a gallery at one snapshot."""
    vector_memory.declare(connection)
    with connection.snapshot():
        yield


def _prepare(connection: Connection, table: str) -> None:
    # The costs that Postgres expects would make it compile the statement again and again.
    connection.execute("SET LOCAL jit = off")
    connection.execute("SET LOCAL statement_timeout = 0")
    # A table that is rewritten meanwhile would have its rows in other blocks.
    connection.execute(f"LOCK TABLE {table} IN ACCESS SHARE MODE")


def _take(items: deque[Item]) -> Item | None:
    """Return the first item, which no other thread gets; None if there are no more."""
    try:
        return items.popleft()
    except IndexError:
        return None


def _parse(ids: list[bytes], vectors: list[bytes], order: Literal[">", "="]) -> Batch:
    """Return the ids of rows in Postgres's binary format, and the vectors."""
    import numpy as np

    keys = np.frombuffer(b"".join(ids), ">u8").reshape(-1, 2).astype(np.uint64)
    table = np.frombuffer(b"".join(vectors), np.uint8).reshape(len(keys), -1)
    return keys, halves_from_table(table, order)
