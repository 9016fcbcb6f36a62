"""Reading of a new copy of a gallery from Postgres."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from facedex.store.collections import Collection
from facedex.store.copies import Copy, Kind, current_version
from facedex.store.database import Connection, Database
from facedex.store.gallery_reading import Reading, snapshot_of

if TYPE_CHECKING:
    from facedex.gallery.blocks import Block
    from facedex.gallery.resident import Resident
    from facedex.store.gallery_reading import Batch


def load(
    database: Database,
    kind: Kind,
    collection: Collection,
    expected: int,
    allocate: Callable[[int], Block] | None = None,
) -> Copy | None:
    """Return a new copy, or None if the collection changed or has no vectors.

    Args:
        expected: about how many vectors there are.
        allocate: returns memory for codes; None for memory of this process alone.

    Raises:
        DatabaseUnavailable: if the database does not answer.
    """
    with database.reading() as connection, snapshot_of(connection):
        version = current_version(connection, collection)
        if version is None:
            return None
        resident = _read(database, connection, kind, collection, expected, allocate)
    if resident is None:
        return None
    return Copy(resident, version, collection.model_version)


def _read(
    database: Database,
    connection: Connection,
    kind: Kind,
    collection: Collection,
    expected: int,
    allocate: Callable[[int], Block] | None,
) -> Resident | None:
    from facedex.gallery.resident import Resident

    reading = Reading(database, connection, kind.table, kind.key, collection.key, expected)
    sample = reading.sample()
    if sample is None:
        return None
    resident = Resident(sample.astype("float32"), max(expected, len(sample)), allocate)

    def take(batches: Iterator[Batch]) -> None:
        loader = resident.loader()
        for ids, vectors in batches:
            loader.add(ids, vectors)
            if not resident.usable:
                raise _Unsuitable
        loader.finish()

    try:
        reading.run(take)
    except _Unsuitable:
        return None
    return resident


class _Unsuitable(Exception):
    """The code does not suit the gallery."""
