"""``facedex people``: find the faces of a collection that look like one person."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from facedex.printing import counted
from facedex.store.faces import StoredFace
from facedex.workflows.people import Group, Grouping, group_faces
from facedex_cli.commands import where
from facedex_cli.commands.keys import on_database
from facedex_cli.commands.stored import (
    find_collection,
    in_region,
    plain_errors,
    require_database,
)
from facedex_cli.consoles import console
from facedex_cli.upgrading.new_pack import shelf
from facedex_local.postgres.database import opened


@click.group()
def people() -> None:
    """Find the faces of a collection that look like one person.

    The command uses the database of a data directory, whether or not `facedex up` is running on
    it, or your own Postgres (--database-url).
    """


@people.command()
@click.argument("collection_id", metavar="ID")
@click.option(
    "--similarity",
    type=click.FloatRange(0, 100),
    default=99.0,
    show_default=True,
    metavar="S",
    help="Similarity that the faces of a group have on average.",
)
@click.option(
    "--most",
    type=click.IntRange(1),
    default=50,
    show_default=True,
    metavar="N",
    help="Number of groups on the terminal; --json prints all.",
)
@click.option("--json", "as_json", is_flag=True, help="Print every group as a line of JSON.")
@where.region
@on_database
def group(
    collection_id: str,
    similarity: float,
    most: int,
    as_json: bool,
    region: str | None,
    data_dir: Path,
    database_url: str | None,
) -> None:
    """Group the faces of the collection ID that look like one person.

    \b
    facedex people group staff
    facedex people group staff --similarity 99.9 --json

    A group is shown unless all of its faces belong to one user: its faces have no user, or several
    users, or one user lacks some of them. Associate the faces with a user (AssociateFaces), or move
    them from one user to another, and the group is gone from the next list. The console shows the
    same groups, and remembers which are not one person.

    Every face is compared with every other, which takes seconds for ten thousand faces and about a
    minute for a hundred thousand.
    """
    data_dir = require_database(data_dir, database_url)
    with plain_errors(), opened(data_dir, database_url) as whole:
        database = in_region(whole, region, data_dir)
        collection = find_collection(database, collection_id)
        calibration = shelf().of_version(collection.model_version, threads=1).calibration
        with _bar() as show:
            found = group_faces(database, collection, calibration, similarity, show)
    if as_json:
        for each in found.groups:
            click.echo(_line(each))
    else:
        _print(found, most)


@contextmanager
def _bar() -> Iterator[Callable[[float], None]]:
    columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    console = Console(stderr=True)
    # Without a terminal, a transient bar would leave an empty line.
    shown = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    with shown as bar:
        task = bar.add_task("comparing", total=1.0)
        yield lambda share: bar.update(task, completed=share)


def _line(found: Group) -> str:
    return json.dumps(
        {
            "Similarity": round(found.similarity, 4),
            "UserIds": found.users,
            "Faces": [
                {
                    "FaceId": str(face.face_id),
                    "ExternalImageId": face.external_image_id,
                    "UserId": face.user_id,
                }
                for face in found.faces
            ],
        }
    )


def _print(found: Grouping, most: int) -> None:
    table = Table(Column("Faces", justify="right"), Column("Similarity", justify="right"))
    table.add_column("Users", overflow="fold")
    table.add_column("Names, or FaceIds", overflow="fold")
    for each in found.groups[:most]:
        table.add_row(
            f"{len(each.faces):,}",
            f"{each.similarity:.2f}",
            escape(", ".join(each.users)),
            escape(", ".join(dict.fromkeys(map(_name, each.faces)))),
        )
    if found.groups:
        console().print(table)
    rest = len(found.groups) - most
    if rest > 0:
        print(f"further groups: {rest:,}; --most shows more.", file=sys.stderr)
    print(f"{counted(len(found.groups), 'group')} among {counted(found.compared, 'face')}")


def _name(face: StoredFace) -> str:
    return face.external_image_id or str(face.face_id)
