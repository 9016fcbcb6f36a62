"""The conclusion of an upgrade, as the command reports it: a sentence and the exit status."""

from __future__ import annotations

import click

from facedex.store.collections import Collection
from facedex.vision.packs import Pack
from facedex_cli.upgrading.new_pack import described
from facedex_cli.upgrading.upgrade import Outcome


def conclude(
    outcome: Outcome,
    collection: Collection,
    pack: Pack,
    before: str | None,
    photos: int,
    source: str,
    *,
    delete_missing: bool,
) -> None:
    """Print that the collection was switched, or raise the reason why it was not.

    Args:
        outcome: how the upgrade ended; it was not interrupted.
        collection: the collection, as it was found.
        pack: the new pack.
        before: name of the old pack, or None where it is unknown here.
        photos: files and folders that were listed.
        source: where the photos are, for messages.
        delete_missing: whether faces without an original might be deleted.

    Raises:
        ClickException: if the collection was not switched.
    """
    name = collection.collection_id
    old = f"{before or 'a pack unknown here'} ({collection.model_version})"
    if outcome.switched:
        deleted = f" Faces deleted: {len(outcome.missing):,}." if outcome.missing else ""
        click.echo(
            f"{name} was made with {old}, and is searched with {described(pack)} now.{deleted}"
        )
        return
    if not outcome.originals:
        raise click.ClickException(
            f"No file in {source} is the original of a face in {name}, by its bytes, ImageId or"
            f" ExternalImageId (files: {photos:,}); the collection stays as it is."
        )
    if outcome.unread and delete_missing:
        raise click.ClickException(
            f"Faces without a new vector: {len(outcome.missing):,}. Their originals may be among"
            f" the files and folders that could not be read ({outcome.unread:,}), so no face was"
            f" deleted and {name} is still searched with {old}. Run the command again when they can"
            " be read; what is done is kept."
        )
    raise click.ClickException(
        f"Faces without a new vector: {len(outcome.missing):,}. So {name} is still searched with"
        f" {old}; run the command again with the folder of their photos, or with --delete-missing"
        " to delete them. What is done is kept."
    )
