"""The product's database for commands beside ``facedex up``, whether that runs or not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from facedex.store.database import Database
from facedex.store.schema import migrate
from facedex_local import directory as data_directory
from facedex_local.errors import DatabaseFailed, DirectoryInUse
from facedex_local.postgres.cluster import Postgres
from facedex_local.postgres.postmaster import Postmaster


@contextmanager
def opened(directory: Path, url: str | None, *, connections: int = 1) -> Iterator[Database]:
    """Connect to the database, with this version's schema.

    Args:
        directory: the data directory. If no process holds it, its Postgres runs for as long as
            the block does.
        url: a Postgres of the user's own instead.
        connections: the most at once.

    Raises:
        StartFailed: if there is no database to be had.
        StoreError: if it cannot be brought to this version's schema.
    """
    with ExitStack() as stack:
        database = Database(url or _embedded(stack, directory), connections=connections)
        stack.callback(database.close)
        migrate(database)
        yield database


def _embedded(stack: ExitStack, directory: Path) -> str:
    try:
        held = stack.enter_context(data_directory.hold(directory))
    except DirectoryInUse as error:
        return _of_running(directory.expanduser().absolute(), error)
    postgres = Postgres(held)
    stack.callback(postgres.stop)
    return postgres.start()


def _of_running(directory: Path, in_use: DirectoryInUse) -> str:
    postgres = Postgres(directory)
    postmaster = Postmaster.read(postgres.cluster)
    if postmaster is None or postmaster.status != "ready":
        raise DatabaseFailed(
            "facedex runs on this data directory and no database of its own answers there: it is"
            " still starting, or was given --database-url, which this command then needs too."
        ) from in_use
    return postgres.url
