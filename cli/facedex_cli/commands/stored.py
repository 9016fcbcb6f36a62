"""Collections in the database of a data directory or a URL, for commands that work without HTTP."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from botocore.exceptions import BotoCoreError

from facedex.setting_reader import SettingError
from facedex.store import collections as store
from facedex.store.database import Database
from facedex.store.store_errors import CollectionNotFound, StoreError
from facedex.vision.vision_errors import PackMissing
from facedex_local.directory import announced_region, is_held
from facedex_local.postgres.cluster import Postgres
from facedex_local.start_errors import StartFailed
from facedex_models.model_errors import ModelError


def in_region(database: Database, region: str | None, data_dir: Path) -> Database:
    """Return the database with the names of the region that a command is for."""
    configured = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    announced = announced_region(data_dir)
    return database.in_region(region or configured or announced or database.region)


def require_database(data_dir: Path, database_url: str | None) -> Path:
    """Return the data directory in full, for commands to which a new, empty database is no use.

    A directory that a server uses is left to ``opened``, which knows why it has no database.

    Raises:
        click.ClickException: if there is no database in it, and no other is named.
    """
    data_dir = data_dir.expanduser()
    if not (database_url or Postgres(data_dir).cluster.exists() or is_held(data_dir)):
        raise click.ClickException(
            f"There is no database in {data_dir}; name the server's --data-dir."
        )
    return data_dir


def find_collection(database: Database, collection_id: str) -> store.Collection:
    """Return a collection.

    Raises:
        click.ClickException: if there is none of that name.
    """
    try:
        with database.reading() as connection:
            return store.find(connection, collection_id)
    except CollectionNotFound:
        raise click.ClickException(
            f"There is no collection {collection_id} in {database.region}; list all with:"
            " facedex collections list"
        ) from None


@contextmanager
def plain_errors() -> Iterator[None]:
    """Show expected errors as one sentence, without a traceback."""
    try:
        yield
    except BotoCoreError as error:
        raise click.ClickException(f"The AWS settings are not valid: {error}") from error
    except (StartFailed, SettingError, StoreError, ModelError, PackMissing) as error:
        raise click.ClickException(str(error)) from error
