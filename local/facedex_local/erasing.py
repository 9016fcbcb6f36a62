"""Erasing of deleted faces from the disk, while the server runs and before it stops."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Final

from facedex_local import shutdown
from facedex_local.background import running

if TYPE_CHECKING:
    from facedex.store.database import Database
    from facedex.store.erasing import Erasure

# Seconds between looks for deleted rows. Postgres counts them up to ten seconds after the deletion.
_INTERVAL: Final = 10.0
# Requests wait during an erasure. It is therefore followed by a rest, this many times as long, of
# at least and at most so many seconds.
_REST: Final = 100.0
_SHORTEST_REST: Final = 30.0
_LONGEST_REST: Final = 500.0
# The largest table that is rewritten while requests wait: about 1.5 million faces of the default
# pack. On a busy machine that takes up to 20 seconds, after which statements are cancelled. Before
# the server stops: a third of a million faces.
_LARGEST: Final = 1 << 30
_LARGEST_AT_END: Final = 256 << 20
_LAST_CONNECTIONS: Final = 2.0  # seconds in which the connections of this process must end

_logger: Final = logging.getLogger("facedex")


@contextmanager
def erasing(cluster: Path | None) -> Iterator[None]:
    """Erase deleted rows while the block runs, and the last ones after it.

    The database must still run then, and nothing else may use it.

    Args:
        cluster: directory of the embedded database; None for the user's own. The latter's
            write-ahead log is not touched, and it is not erased at the end: other processes may use
            it.
    """
    try:
        with running("erase", partial(_repeat, cluster=cluster)):
            yield
    finally:
        if cluster:
            shutdown.run("erasing deleted faces", partial(_erase_last, cluster))


def _repeat(ended: threading.Event, *, cluster: Path | None) -> None:
    from facedex.store.store_errors import DatabaseUnavailable
    from facedex_local.postgres import abandoned

    wait = _INTERVAL
    known: list[str] = []
    while not ended.wait(wait):
        wait = _INTERVAL
        database = _database()
        try:
            if cluster:
                with _logged():
                    abandoned.remove(cluster, database)
            done = _erase(database, largest=_LARGEST, log=cluster is not None)
        except DatabaseUnavailable:
            continue
        except Exception:
            # The next attempt may succeed; without it, deleted faces would stay on disk.
            _logger.exception("Deleted faces could not be erased; the next attempt follows.")
            continue
        finally:
            database.close()
        if done is None:
            continue
        if done.remaining and done.remaining != known:
            _warn(done.remaining)
        known = done.remaining
        wait = min(_LONGEST_REST, max(_SHORTEST_REST, _REST * done.seconds))


@contextmanager
def _logged() -> Iterator[None]:
    """Log that a file cannot be removed, and go on."""
    try:
        yield
    except OSError as error:
        _logger.warning("A file that a crash left cannot be removed (%s).", error.strerror)


def _erase_last(cluster: Path) -> None:
    """Erase what was deleted since the last erasure, if that takes a second or two."""
    from facedex.runtime import services
    from facedex.store.store_errors import DatabaseUnavailable
    from facedex_local.postgres import abandoned

    services.database().close()
    database = _database()
    try:
        _await_disconnection(database)
        with _logged():
            abandoned.remove(cluster, database)
        done = _erase(database, largest=_LARGEST_AT_END, log=True)
        if done and done.remaining:
            _warn(done.remaining)
    except DatabaseUnavailable:
        _warn(["everything: the database did not answer"])
    finally:
        database.close()


def _erase(database: Database, *, largest: float, log: bool) -> Erasure | None:
    from facedex.runtime import services
    from facedex.store import erasing

    disk = services.disk()
    room = disk.free if disk else lambda: inf
    return erasing.erase(database, largest=largest, log=log, room=room)


def _await_disconnection(database: Database) -> None:
    """Wait until other connections have ended: only then has Postgres counted all deletions."""
    end = time.monotonic() + _LAST_CONNECTIONS
    with database.reading() as connection:
        while time.monotonic() < end:
            others = connection.execute(
                "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
                " AND backend_type = 'client backend' AND pid <> pg_backend_pid() LIMIT 1"
            )
            if others.fetchone() is None:
                return
            time.sleep(0.02)


def _database() -> Database:
    from facedex.store.database import Database

    return Database(os.environ["FACEDEX_DATABASE_URL"], connections=1)


def _warn(remaining: list[str]) -> None:
    _logger.warning(
        "Deleted faces may remain on disk in %s. `facedex scrub` removes them.",
        "; in ".join(remaining),
    )
