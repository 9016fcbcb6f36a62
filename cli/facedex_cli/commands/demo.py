"""``facedex demo``: demonstrate the product on two portraits and on the user's photo."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import boto3
import click
import requests
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from PIL import Image, UnidentifiedImageError
from rich.table import Table

from facedex_cli.commands.downloads import progress_bar
from facedex_cli.commands.options import machine_options
from facedex_cli.commands.outputs import require_writable
from facedex_cli.commands.session import announce, session, wait
from facedex_cli.consoles import console
from facedex_cli.demo import demonstration, picture, portraits
from facedex_cli.demo.demonstration import Result
from facedex_local import environment
from facedex_local.machine import Options


@click.command()
@machine_options(log=False)
@click.option(
    "--image",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A photo of your own; every face in it is searched for.",
)
@click.option(
    "--output",
    default="facedex-demo.png",
    show_default=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="File for the picture.",
)
@click.option("--exit", "leave", is_flag=True, help="Exit after drawing the picture.")
def demo(options: Options, image: Path | None, output: Path, leave: bool) -> None:
    """Index two portraits, find them in altered copies, and draw the results.

    The portraits are of Eileen Collins and Grace Hopper, both in the public domain. The calls
    go through boto3 and HTTP, as yours will. The server keeps running afterwards.
    """
    photo = _read_photo(image) if image else None
    require_writable(output, "The picture")
    # The server that stays answers what the one of ``facedex up`` does.
    options = replace(options, attributes=not leave, metrics=not leave)
    with session(options) as machine:
        with progress_bar() as report:
            pictures = portraits.fetch(report)
        try:
            rows, wide = _demonstrate(machine.url, pictures, photo)
        except (BotoCoreError, ClientError, requests.RequestException) as error:
            raise click.ClickException(f"The demo failed: {error}") from error
        names = portraits.names()
        _save(picture.draw(rows, wide, names), output)
        console().print(_table(rows, wide, names))
        click.echo(f"drawn in {output}")
        if leave:
            return
        click.echo()
        announce(machine)
        click.echo(_NEXT)
        sys.stdout.flush()
        wait()


def _demonstrate(
    url: str, pictures: Mapping[str, bytes], photo: tuple[str, bytes] | None
) -> tuple[list[list[Result]], Result | None]:
    client = boto3.client(
        "rekognition",
        endpoint_url=url,
        region_name=environment.region(),
        aws_access_key_id=environment.CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment.CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        config=Config(proxies={}),
    )
    demonstration.begin(client)
    rows = {result.expected: [result] for result in demonstration.index(client, pictures)}
    for result in demonstration.search(client, pictures):
        rows[result.expected].append(result)
    wide = demonstration.search_everyone(url, *photo) if photo else None
    return list(rows.values()), wide


def _read_photo(path: Path) -> tuple[str, bytes]:
    try:
        return path.name, demonstration.fit(path.read_bytes())
    except MemoryError:
        raise
    except Exception as error:  # damaged files make Pillow raise errors of many kinds
        raise click.ClickException(
            f"{path} is not a readable picture ({_reason(error)})."
        ) from None


def _reason(error: Exception) -> str:
    # Pillow's message for unknown formats names an internal object, and that for many pixels warns
    # of an attack.
    if isinstance(error, UnidentifiedImageError):
        return "unknown format"
    if isinstance(error, Image.DecompressionBombError):
        return "it has too many pixels"
    return str(error) if isinstance(error, OSError) else "it is damaged"


def _save(picture: demonstration.Picture, output: Path) -> None:
    try:
        picture.save(output, "PNG", optimize=True)
    except OSError as error:
        reason = error.strerror or error
        raise click.ClickException(
            f"The picture cannot be written to {output} ({reason}); name another with --output."
        ) from None


def _table(rows: list[list[Result]], wide: Result | None, names: Mapping[str, str]) -> Table:
    table = Table("Picture", "", "Found", title="facedex demo", title_justify="left")
    table.add_column("Similarity", justify="right")
    table.add_column("ms", justify="right")
    for row in [*rows, [wide]] if wide else rows:
        for result in row:
            _add(table, result, names)
        table.add_section()
    return table


def _add(table: Table, result: Result, names: Mapping[str, str]) -> None:
    picture = names[result.expected] if result.expected else "your photo"
    took = f"{result.milliseconds:.0f}"
    if not result.faces:
        table.add_row(picture, result.title, "no face", "", took)
    for face in result.faces:
        found = names[face.key] if face.key else "no match"
        similarity = f"{face.similarity:.2f}" if face.similarity else ""
        table.add_row(picture, result.title, found, similarity, took)
        took = ""


_NEXT = f"""
Next, in another terminal, after entering the lines above:

  aws rekognition list-faces --collection-id {demonstration.COLLECTION}
  aws rekognition search-faces-by-image --collection-id {demonstration.COLLECTION} \\
      --image-bytes fileb://photo.jpg

or from Python:

  import boto3
  rekognition = boto3.client("rekognition")
  rekognition.create_collection(CollectionId="friends")
  photo = open("photo.jpg", "rb").read()
  rekognition.index_faces(CollectionId="friends", Image={{"Bytes": photo}}, ExternalImageId="ann")

Ctrl-C stops the server; the faces stay."""
