"""``facedex video``: look for people in a film, and read what came of it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import click
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from facedex.media.errors import FilmError
from local import directory
from local.importing import connection
from local.importing.connection import Clients
from local.importing.errors import ImportStopped
from local.video_report import page, persons
from local.video_report.persons import Film

_BUCKET: Final = "facedex-video-search"
_POLL: Final = 0.5  # seconds
_SEGMENTS: Final = re.compile(r"(\d+) of (\d+)")
_MOST_STAYS: Final = 4  # listed in the table

_url = click.option(
    "--url", metavar="URL", help="Where the API is. [default: AWS_ENDPOINT_URL, else `facedex up`]"
)
_data_dir = click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="FACEDEX_DATA_DIR",
    default=directory.default,
    show_default="the user's data directory",
    help="Where the running server is looked for.",
)
_film = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def video() -> None:
    """Look for people of a collection in films."""


@video.command()
@click.argument("film", metavar="FILE", type=_film)
@click.option("--collection", required=True, metavar="ID", help="Whom to look for.")
@click.option(
    "--threshold",
    default=80.0,
    show_default=True,
    type=click.FloatRange(0, 100),
    help="Lowest similarity of a match.",
)
@click.option(
    "--bucket",
    default=_BUCKET,
    show_default=True,
    help="Where the film is put while it is searched; made if it is not there.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.html",
    help="Also write a page with a timeline per person and pictures from the film.",
)
@_url
@_data_dir
def search(
    film: Path,
    collection: str,
    threshold: float,
    bucket: str,
    out: Path | None,
    url: str | None,
    data_dir: Path,
) -> None:
    """Look for the people of a collection in a film, and say who is seen when.

    The film goes to the S3 beside the server (`facedex up` keeps it in memory) and is deleted there
    when the search is over.
    """
    with _plain_errors():
        clients = connection.connect(url, data_dir, 4)
        with _uploaded(clients, film, bucket) as key:
            job_id = clients.rekognition.start_face_search(
                Video={"S3Object": {"Bucket": bucket, "Name": key}},
                CollectionId=collection,
                FaceMatchThreshold=threshold,
            )["JobId"]
            _wait(clients, job_id)
        found = persons.read(clients.rekognition, job_id)
        named = Film(found.job_id, film.name, found.metadata, found.persons)
        Console().print(_table(named))
        click.echo(f"job {job_id}")
        if out:
            _write(named, out, film)


@video.command()
@click.argument("job_id")
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.html",
    help="Where the page goes.",
)
@click.option("--film", type=_film, metavar="FILE", help="Your copy of the film, for pictures.")
@_url
@_data_dir
def report(job_id: str, out: Path, film: Path | None, url: str | None, data_dir: Path) -> None:
    """Write the results of a StartFaceSearch job as one page: who is seen when.

    Pictures of the people are cut from your own copy of the film, on this machine; without it the
    page has none.
    """
    with _plain_errors():
        clients = connection.connect(url, data_dir, 1)
        _write(persons.read(clients.rekognition, job_id), out, film)


@contextmanager
def _plain_errors() -> Iterator[None]:
    try:
        yield
    except (ImportStopped, FilmError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    except ClientError as error:
        raise click.ClickException(error.response["Error"].get("Message", str(error))) from error
    except BotoCoreError as error:
        raise click.ClickException(
            f"{error} Start the server with: facedex up, or name another with --url."
        ) from error


@contextmanager
def _uploaded(clients: Clients, film: Path, bucket: str) -> Iterator[str]:
    """The key under which the film is in the bucket, while the block runs."""
    key = f"{uuid4().hex}/{film.name}"
    try:
        clients.s3.head_bucket(Bucket=bucket)
    except ClientError:
        clients.s3.create_bucket(Bucket=bucket)
    with _bar("uploading", film.stat().st_size) as advance:
        clients.s3.upload_file(str(film), bucket, key, Callback=advance)
    try:
        yield key
    finally:
        with suppress(BotoCoreError, ClientError):
            clients.s3.delete_object(Bucket=bucket, Key=key)


def _wait(clients: Clients, job_id: str) -> None:
    """Wait for the job, showing how far it is."""
    with _bar("searching", 1) as advance:
        shown = 0.0
        while True:
            answer: Any = clients.rekognition.get_face_search(JobId=job_id, MaxResults=1)
            if answer["JobStatus"] == "FAILED":
                raise ValueError(answer["StatusMessage"])
            done = _SEGMENTS.search(answer.get("StatusMessage", ""))
            share = int(done[1]) / int(done[2]) if done else 0.0
            if answer["JobStatus"] == "SUCCEEDED":
                share = 1.0
            advance(share - shown)
            shown = share
            if answer["JobStatus"] == "SUCCEEDED":
                return
            time.sleep(_POLL)


@contextmanager
def _bar(title: str, total: float) -> Iterator[Any]:
    columns = (TextColumn(f"{title:<10}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
    bar = Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True))
    task = bar.add_task("", total=total)
    with bar:
        yield lambda step: bar.advance(task, step)


def _table(film: Film) -> Table:
    table = Table("Person", "Resembles", title=f"Who is in {film.name}", title_justify="left")
    table.add_column("Similarity", justify="right")
    table.add_column("Seconds", justify="right")
    table.add_column("Seen at")
    for person in film.persons:
        best = person.matches[0] if person.matches else None
        stays = [f"{page.clock(start)}–{page.clock(end)}" for start, end in person.stays]
        more = len(stays) - _MOST_STAYS
        table.add_row(
            str(person.index),
            best.name if best else "nobody",
            f"{best.similarity:.2f}" if best else "",
            f"{person.seconds:.1f}",
            ", ".join(stays[:_MOST_STAYS]) + (f" and {more} more" if more > 0 else ""),
        )
    return table


def _write(found: Film, out: Path, film: Path | None) -> None:
    # Imported here: every other command starts without PyAV.
    from local.video_report import thumbnails

    pictures = thumbnails.cut(film, found.persons) if film else {}
    try:
        out.write_text(page.render(found, pictures), encoding="utf-8")
    except OSError as error:
        raise click.ClickException(
            f"The page cannot be written to {out} ({error.strerror or error})."
        ) from None
    click.echo(f"written to {out}")
