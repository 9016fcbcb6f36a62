"""What every process of the server needs before it answers: models, database, code."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg

from facedex_local import shutdown
from facedex_local.errors import DatabaseFailed
from facedex_local.http import routes

Downloads = Callable[[], AbstractContextManager[Callable[[str, int, int], None]]]


class Health:
    """State of the parts, as ``GET /health`` reports it.

    Attributes:
        model_version: that of the default pack, once it is loaded.
    """

    def __init__(self) -> None:
        self.model_version = ""

    def __call__(self) -> dict[str, Any]:
        """Return the state of each part."""
        from facedex.runtime import services
        from facedex.store.errors import DatabaseUnavailable

        try:
            services.database().ping()
        except DatabaseUnavailable as error:
            status, database = "down", f"down: {error}"
        else:
            status, database = "ok", "ok"
        return {
            "status": status,
            "database": database,
            "models": self.model_version,
            "packs": dict(services.shelf().installed()),
            "version": version("facedex"),
        }


def pull_pack(name: str, downloads: Downloads) -> Path:
    """Return a pack's directory; pull it if it is not there, damaged or another version's.

    Raises:
        ModelError: it cannot be had.
    """
    from facedex_models import installing, manifests

    installing.refresh()
    if found := installing.current(manifests.manifest(name)):
        return found
    with downloads() as report:
        return installing.pull(name, progress=report)


def connector(url: str) -> Callable[[], str]:
    """Return a function that makes sure that a database of the user's own answers."""
    return partial(_reach, url)


def prepare_database(start: Callable[[], str]) -> None:
    """Start the database, name it to functions, and bring it to this version's schema.

    Args:
        start: starts it and returns its address.

    Raises:
        DatabaseFailed: it cannot be started or reached.
        StoreError: it cannot be brought to the schema.
    """
    url = start()
    os.environ["FACEDEX_DATABASE_URL"] = url
    from facedex.store.database import Database
    from facedex.store.schema import migrate

    database = Database(url)
    try:
        migrate(database)
    finally:
        database.close()


def load_code() -> str:
    """Import every handler and load the pack, so that the first request does not wait for it.

    Returns:
        The pack's model version.
    """
    from facedex.api.catalog import OPERATIONS
    from facedex.runtime import handlers, services
    from facedex.settings import Settings

    unset = {"FACEDEX_DATABASE_URL": "not known yet"}
    current = Settings.from_environment({**unset, **os.environ})
    loaded = services.shelf(current).named(current.pack, threads=current.threads)
    loaded.open()
    for function in (routes.FRONT_DOOR, *(row.function for row in OPERATIONS.values())):
        handlers.load(function)
    return loaded.model_version


def close_database() -> None:
    """Close this process's connections to the database."""
    from facedex.runtime import services

    shutdown.run("closing the database", services.database().close)


def _reach(url: str) -> str:
    try:
        psycopg.connect(url, connect_timeout=10).close()
    except psycopg.Error as error:
        reason = " ".join(str(error).split())
        raise DatabaseFailed(f"The database of --database-url cannot be used: {reason}") from None
    return url
