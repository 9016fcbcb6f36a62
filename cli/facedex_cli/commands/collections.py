"""``facedex collections``: which packs collections are made with, and moving them to another."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import click
from botocore.exceptions import BotoCoreError

from facedex.settings import SettingError, Settings
from facedex.store import collections as store
from facedex.store import upgrades
from facedex.store.database import Database
from facedex.store.errors import CollectionNotFound, StoreError
from facedex.vision.errors import PackMissing
from facedex.vision.packs import Pack
from facedex_cli.commands.interrupting import INTERRUPTED, interruption
from facedex_cli.commands.keys import on_database
from facedex_cli.commands.models import progress_bar
from facedex_cli.importing.display import progress
from facedex_cli.importing.photos import Source
from facedex_cli.upgrading import display
from facedex_cli.upgrading.conclusion import conclude
from facedex_cli.upgrading.new_pack import described, load, model_version, shelf
from facedex_cli.upgrading.photo_source import list_photos, open_source
from facedex_cli.upgrading.upgrade import Outcome, Upgrade
from facedex_local.errors import StartFailed
from facedex_local.postgres.database import opened
from facedex_models import manifests
from facedex_models.errors import ModelError

_pack = click.option(
    "--pack",
    envvar="FACEDEX_PACK",
    default=manifests.DEFAULT,
    show_default=True,
    metavar="PACK",
    help="The model pack; see: facedex models list",
)


@click.group()
def collections() -> None:
    """List the collections with their model packs, and move one to another pack.

    A collection keeps the pack that it was made with: vectors of one network cannot be compared
    with those of another. These commands work on the database of a data directory, whether or not
    `facedex up` is running on it.
    """


@collections.command("list")
@_pack
@on_database
def list_collections(pack: str, data_dir: Path, database_url: str | None) -> None:
    """List the collections, and which of them are outdated.

    Outdated is what another pack has made, or another version, than the default one.
    """
    with _plain_errors():
        default = pack, model_version(pack)
        with opened(data_dir, database_url) as database, database.reading() as connection:
            found = upgrades.overview(connection)
    display.print_collections(found, default, shelf().installed())


@collections.command()
@click.argument("collection_id", metavar="ID")
@click.option(
    "--from",
    "source",
    required=True,
    metavar="DIR|s3://BUCKET/PREFIX",
    help="Where the photos are that the faces were indexed from.",
)
@_pack
@click.option(
    "--delete-missing",
    is_flag=True,
    help="Delete faces that have no original there, instead of keeping the collection as it is.",
)
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.csv",
    help="Write every face without an original, and why.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(1, 64),
    default=lambda: os.cpu_count() or 1,
    show_default="as many as there are cores",
    metavar="N",
    help="Photos looked at at once.",
)
@on_database
def upgrade(
    collection_id: str,
    source: str,
    pack: str,
    delete_missing: bool,
    report: Path | None,
    concurrency: int,
    data_dir: Path,
    database_url: str | None,
) -> None:
    """Move the collection ID to another model pack, from the photos it was made of.

    \b
    facedex collections upgrade staff --from ~/photos
    facedex collections upgrade staff --from s3://photos/staff --pack sface

    No photo is kept in a collection, and no vector can be turned into one of another pack: so the
    photos are looked at again. A photo is that of a stored face if its bytes are, or if it has the
    ImageId or the ExternalImageId as its name, as `facedex import` and uploads give names. Then
    the new pack finds the faces, and each stored face is the one at its place.

    FaceIds, ImageIds, ExternalImageIds, users and tags stay. The collection is searched with the
    old pack until every face has a new vector, and is then switched in one moment. Ctrl-C breaks
    the upgrade off; the same command goes on where it ended.

    The collection is not switched, and the exit status is 1, if a face has no original, unless
    --delete-missing says that such faces may be deleted. None is deleted while a photo or a folder
    could not be read.
    """
    with _plain_errors(), interruption() as interrupted:
        photos = open_source(source)
        loaded = load(pack, progress_bar)
        with opened(data_dir, database_url, connections=concurrency + 1) as database:
            collection = _find(database, collection_id)
            if collection.model_version == loaded.model_version:
                click.echo(f"{collection_id} is made with {described(loaded)} already.")
                return
            before = display.pack_name(collection.model_version, shelf().installed())
            work = _upgrade(
                database,
                collection,
                loaded,
                photos,
                concurrency=concurrency,
                stopped=lambda: bool(interrupted),
            )
            found = list_photos(photos, source)
            outcome = work.run(
                found, partial(progress, doing="upgrading"), delete_missing=delete_missing
            )
        display.print_missing(outcome)
        if report:
            _write(report, outcome)
    if outcome.interrupted:
        click.echo("interrupted; the same command goes on where this one ended", err=True)
        raise SystemExit(INTERRUPTED)
    conclude(outcome, collection, loaded, before, len(found), source, delete_missing=delete_missing)


@collections.command()
@click.argument("collection_id", metavar="ID")
@on_database
def abandon(collection_id: str, data_dir: Path, database_url: str | None) -> None:
    """Give up the unfinished upgrade of the collection ID, and what it has done.

    The collection stays what it is. While an upgrade is unfinished, photos that are indexed are
    looked at with both packs.
    """
    with _plain_errors(), opened(data_dir, database_url) as database:
        collection = _find(database, collection_id)
        with database.transaction() as connection:
            given_up = upgrades.give_up(connection, collection)
    click.echo(
        f"The upgrade of {collection_id} was given up."
        if given_up
        else f"No upgrade of {collection_id} is under way."
    )


def _upgrade(
    database: Database,
    collection: store.Collection,
    pack: Pack,
    source: Source,
    *,
    concurrency: int,
    stopped: Callable[[], bool],
) -> Upgrade:
    unset = {"FACEDEX_DATABASE_URL": "-", "FACEDEX_AUTH": "none", "FACEDEX_MODELS": "-"}
    settings = Settings.from_environment({**os.environ, **unset})
    return Upgrade(
        database,
        collection,
        pack,
        source,
        concurrency=concurrency,
        side=settings.detection_side,
        max_pixels=settings.max_pixels,
        stopped=stopped,
    )


def _find(database: Database, collection_id: str) -> store.Collection:
    try:
        with database.reading() as connection:
            return store.find(connection, collection_id)
    except CollectionNotFound:
        raise click.ClickException(
            f"There is no collection {collection_id}; `facedex collections list` names all."
        ) from None


def _write(report: Path, outcome: Outcome) -> None:
    try:
        display.write_report(report, outcome.missing)
    except OSError as error:
        raise click.ClickException(
            f"The report {report} cannot be written ({error.strerror})."
        ) from error


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Show what is foreseen to fail as one sentence."""
    try:
        yield
    except BotoCoreError as error:
        raise click.ClickException(f"The AWS settings are not valid: {error}") from error
    except (StartFailed, SettingError, StoreError, ModelError, PackMissing) as error:
        raise click.ClickException(str(error)) from error
