"""The photos that a collection was made of, named as a folder or as a prefix of a bucket."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import boto3
import click
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from facedex.api.naming import is_excluded
from facedex_cli.importing.photos import Bucket, Folder, Photo, Source, Unreadable

_S3: Final = "s3://"


def open_source(name: str) -> Source:
    """Return the source of photos that a command line names.

    Hidden files and system folders belong to it: `facedex import --all` indexes them, too.

    Args:
        name: a folder, or ``s3://BUCKET/PREFIX``.

    Raises:
        ClickException: if there is no such folder, or the AWS settings are invalid.
    """
    bucket, _, prefix = name.removeprefix(_S3).partition("/")
    if bucket and name.startswith(_S3):
        config = Config(s3={"addressing_style": "path"}, max_pool_connections=64)
        try:
            client = boto3.session.Session().client("s3", config=config)
            _ = urlsplit(client.meta.endpoint_url).port  # raises ValueError if it is not a port
        except (BotoCoreError, ValueError) as error:
            raise click.ClickException(f"The AWS settings are not valid: {error}") from error
        return Bucket(client, bucket, prefix, everything=True)
    path = Path(name).expanduser()
    if not name or not path.is_dir():  # an unset variable of a script is not the current folder
        raise click.ClickException(f"{name or repr(name)} is not a folder, nor s3://BUCKET/PREFIX.")
    return Folder(path, everything=True)


def list_photos(source: Source, name: str) -> list[Photo | Unreadable]:
    """Return all photos of a source, and the files and folders that cannot be read.

    Hidden files and folders and system folders that cannot be read are left out: every disk has
    some, such as lost+found and .Spotlight-V100.

    Raises:
        ClickException: if the bucket cannot be listed, or there are no photos.
    """
    try:
        found = [each for each in source.find() if not _is_hidden_and_unreadable(each)]
    except (BotoCoreError, ClientError) as error:
        raise click.ClickException(f"The photos in {name} cannot be listed: {error}") from error
    if not found:
        raise click.ClickException(f"There are no photos in {name}.")
    return found


def _is_hidden_and_unreadable(found: Photo | Unreadable) -> bool:
    return isinstance(found, Unreadable) and is_excluded(Path(found.place).name, folder=True)
