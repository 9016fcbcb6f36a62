"""The photos that a collection was made of, named as a folder or as a prefix of a bucket."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from facedex.api.naming import is_excluded
from facedex_cli import endpoints
from facedex_cli.importing.display import collect
from facedex_cli.importing.photos import Bucket, Folder, Photo, Source, Unreadable

_S3: Final = "s3://"


def open_source(name: str, data_dir: Path) -> tuple[Source, str]:
    """Return the source of photos that a command line names, and its name for messages.

    Hidden files and system folders belong to it: `facedex import --all` indexes them, too. The
    name of a bucket says which S3 has it; for the choice see ``endpoints.s3``.

    Args:
        name: a folder, or ``s3://BUCKET/PREFIX``.
        data_dir: the data directory, whose server may have the bucket.

    Raises:
        ClickException: if there is no such folder, or the AWS settings are invalid.
    """
    bucket, _, prefix = name.removeprefix(_S3).partition("/")
    if bucket and name.startswith(_S3):
        config = Config(s3={"addressing_style": "path"}, max_pool_connections=64)
        try:
            client = endpoints.s3(data_dir, config)
        except (BotoCoreError, ValueError) as error:
            raise click.ClickException(f"The AWS settings are not valid: {error}") from error
        place = client.meta.endpoint_url
        owner = "Amazon's S3" if endpoints.is_amazons(place) else place
        return Bucket(client, bucket, prefix, everything=True), f"{name} ({owner})"
    path = Path(name).expanduser()
    if not name or not path.is_dir():  # an unset variable of a script is not the current folder
        raise click.ClickException(f"{name or repr(name)} is not a folder, nor s3://BUCKET/PREFIX.")
    return Folder(path, everything=True), name


def list_photos(source: Source, name: str) -> list[Photo | Unreadable]:
    """Return all photos of a source, and the files and folders that cannot be read.

    The name is that of `open_source`.

    Hidden files and folders and system folders that cannot be read are left out: every disk has
    some, such as lost+found and .Spotlight-V100.

    Raises:
        ClickException: if the bucket cannot be listed, or there are no photos.
    """
    try:
        found = [each for each in collect(source.find()) if not _is_hidden_and_unreadable(each)]
    except (BotoCoreError, ClientError) as error:
        raise click.ClickException(f"The photos in {name} cannot be listed: {error}") from error
    if not found:
        raise click.ClickException(f"There are no photos in {name}.")
    return found


def _is_hidden_and_unreadable(found: Photo | Unreadable) -> bool:
    return isinstance(found, Unreadable) and is_excluded(Path(found.place).name, folder=True)
