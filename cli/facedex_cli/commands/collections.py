"""``facedex collections``: list collections with their model packs, and upgrade them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from facedex.settings import Settings
from facedex.store import collections as store
from facedex.store import upgrades
from facedex.store.database import Database
from facedex.vision.packs import Pack
from facedex_cli.commands import where
from facedex_cli.commands.downloads import progress_bar
from facedex_cli.commands.interrupting import exit_status, interruption
from facedex_cli.commands.keys import on_database
from facedex_cli.commands.outputs import require_writable
from facedex_cli.commands.stored import (
    find_collection,
    in_region,
    plain_errors,
    require_database,
)
from facedex_cli.importing.display import progress
from facedex_cli.importing.photos import Source
from facedex_cli.upgrading import display
from facedex_cli.upgrading.conclusion import conclude
from facedex_cli.upgrading.new_pack import described, load, model_version, shelf
from facedex_cli.upgrading.photo_source import list_photos, open_source
from facedex_cli.upgrading.upgrade import Outcome, Upgrade
from facedex_local.postgres.database import opened
from facedex_models import manifests

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

    A collection keeps the pack that it was created with, because vectors of different networks
    cannot be compared. The commands use the database of a data directory, whether or not
    `facedex up` is running on it.

    Each region has collections of its own: a client sees those of the region that it signs its
    requests for.
    """


@collections.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print each collection as a line of JSON.")
@_pack
@where.region
@on_database
def list_collections(
    as_json: bool, pack: str, region: str | None, data_dir: Path, database_url: str | None
) -> None:
    """List the collections, and mark outdated ones.

    A collection is outdated if its pack, or the version of its pack, is not the default one.
    """
    data_dir = require_database(data_dir, database_url)
    with plain_errors():
        default = pack, model_version(pack)
        with (
            opened(data_dir, database_url) as database,
            in_region(database, region, data_dir).reading() as connection,
        ):
            found = upgrades.overview(connection)
            elsewhere = store.count_by_region(connection)
    show = display.print_lines if as_json else display.print_collections
    show(found, default, shelf().installed())
    display.print_elsewhere(elsewhere, sys.stderr if as_json else sys.stdout)


@collections.command()
@click.argument("collection_id", metavar="ID")
@click.option(
    "--from",
    "source",
    required=True,
    metavar="DIR|s3://BUCKET/PREFIX",
    help="Location of the photos from which the faces were indexed.",
)
@_pack
@click.option(
    "--delete-missing",
    is_flag=True,
    help="Delete faces without a new vector, instead of leaving the collection unchanged.",
)
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.csv",
    help="Write the faces without a new vector, with the reason, to this file.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(1, 64),
    default=lambda: os.cpu_count() or 1,
    show_default="the number of cores",
    metavar="N",
    help="Number of photos processed concurrently.",
)
@where.region
@on_database
def upgrade(
    collection_id: str,
    source: str,
    pack: str,
    delete_missing: bool,
    report: Path | None,
    concurrency: int,
    region: str | None,
    data_dir: Path,
    database_url: str | None,
) -> None:
    """Move the collection ID to another model pack, using its original photos.

    \b
    facedex collections upgrade staff --from ~/photos
    facedex collections upgrade staff --from s3://photos/staff --pack sface

    A collection stores no photos, and a vector of one pack cannot be converted to another pack, so
    the photos are processed again. A photo belongs to a stored face if its bytes are those that
    were indexed, or if its name is the face's ImageId or ExternalImageId, as `facedex import` and
    uploads name them. The new pack detects the faces in the photo, and the face at the position of
    the stored face gives the new vector.

    S3 is the one of your AWS settings (AWS_ENDPOINT_URL, or Amazon's with AWS_PROFILE or other
    credentials), or else that of the running `facedex up`.

    FaceIds, ImageIds, ExternalImageIds, users and tags stay. Searches use the old pack until every
    face has a new vector; then the collection is switched at once. Ctrl-C interrupts the upgrade;
    the same command continues it.

    If the photo of a face is missing, or the new pack does not find the face in it, the collection
    is not switched and the exit status is 1. With --delete-missing, such faces are deleted instead,
    but none while a photo or a folder cannot be read.
    """
    data_dir = require_database(data_dir, database_url)
    if report:
        require_writable(report, "The report")
    with plain_errors():
        photos, place = open_source(source, data_dir)
        loaded = load(pack, progress_bar)
        with (
            interruption() as interrupted,
            opened(data_dir, database_url, connections=concurrency + 1) as whole,
        ):
            database = in_region(whole, region, data_dir)
            collection = find_collection(database, collection_id)
            if collection.model_version == loaded.model_version:
                click.echo(f"{collection_id} already uses {described(loaded)}.")
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
            found = list_photos(photos, place)
            outcome = work.run(
                found, partial(progress, doing="upgrading"), delete_missing=delete_missing
            )
        display.print_missing(outcome)
        if report:
            _write(report, outcome)
    if outcome.interrupted:
        click.echo("interrupted; run the same command again to continue", err=True)
        raise SystemExit(exit_status(interrupted[0]))
    conclude(outcome, collection, loaded, before, len(found), place, delete_missing=delete_missing)


@collections.command()
@click.argument("collection_id", metavar="ID")
@where.region
@on_database
def abandon(
    collection_id: str, region: str | None, data_dir: Path, database_url: str | None
) -> None:
    """Abandon the unfinished upgrade of the collection ID, and discard its new vectors.

    The collection keeps its current pack. While an upgrade is unfinished, newly indexed photos are
    processed with both packs.
    """
    data_dir = require_database(data_dir, database_url)
    with plain_errors(), opened(data_dir, database_url) as whole:
        database = in_region(whole, region, data_dir)
        collection = find_collection(database, collection_id)
        with database.transaction() as connection:
            given_up = upgrades.give_up(connection, collection)
    click.echo(
        f"The upgrade of {collection_id} was abandoned."
        if given_up
        else f"{collection_id} has no unfinished upgrade."
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


def _write(report: Path, outcome: Outcome) -> None:
    try:
        display.write_report(report, outcome.missing)
    except OSError as error:
        raise click.ClickException(
            f"The report {report} cannot be written ({error.strerror})."
        ) from error
