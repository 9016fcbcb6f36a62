"""Access to the product's database for commands, whether or not ``facedex up`` is running."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from facedex.store.database import Database
from facedex.store.schema import is_current, migrate
from facedex_local import directory as data_directory
from facedex_local import environment
from facedex_local.postgres import connecting
from facedex_local.postgres.cluster import Postgres
from facedex_local.postgres.postmaster import Postmaster
from facedex_local.start_errors import DatabaseFailed, DirectoryInUse


@contextmanager
def opened(
    directory: Path, url: str | None, *, connections: int = 1, migrates: bool = True
) -> Iterator[Database]:
    """Connect to the database, with the configured region, and migrate it to this schema.

    Args:
        directory: the data directory. If no process holds it, its Postgres runs while the block
            does.
        url: the user's own Postgres, used instead.
        connections: maximum number of connections.
        migrates: whether to migrate it.

    Raises:
        StartFailed: if there is no database and none can be started.
        StoreError: if the database cannot be migrated.
    """
    with ExitStack() as stack:
        place = stack.enter_context(located(directory, url))
        # What a release without regions stored belongs to the configured region.
        database = Database(place, connections=connections, region=environment.region())
        stack.callback(database.close)
        # A role that may only read needs no further right for a database that is up to date.
        if migrates and not is_current(database):
            migrate(database)
        yield database


@contextmanager
def located(directory: Path, url: str | None) -> Iterator[str]:
    """Return the connection string of the database; nothing is changed in it.

    Args:
        directory: the data directory. If no process holds it, its Postgres runs while the block
            does.
        url: the user's own Postgres, used instead.

    Raises:
        StartFailed: if there is no database and none can be started.
    """
    if url:
        yield connecting.check(url)
        return
    with ExitStack() as stack:
        try:
            held = stack.enter_context(data_directory.hold(directory))
        except DirectoryInUse as error:
            place = _of_running(directory.expanduser().absolute(), error)
        else:
            postgres = Postgres(held)
            stack.callback(postgres.stop)
            place = postgres.start()
        yield place


def _of_running(directory: Path, in_use: DirectoryInUse) -> str:
    postgres = Postgres(directory)
    postmaster = Postmaster.read(postgres.cluster)
    if postmaster is None or postmaster.status != "ready":
        raise DatabaseFailed(
            "facedex is running on this data directory, but its embedded database does not answer:"
            " either it is still starting, or it uses --database-url, which this command then needs"
            " too."
        ) from in_use
    return postgres.url
