"""``facedex video``: search a video for people, and report the results."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

import click
from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from facedex.media.film_errors import FilmError
from facedex.printing import printable
from facedex_cli import endpoints
from facedex_cli.commands import where
from facedex_cli.commands.outputs import require_writable
from facedex_cli.importing import connection
from facedex_cli.importing.connection import Clients
from facedex_cli.importing.import_errors import ImportStopped
from facedex_cli.video_report import display, page, persons
from facedex_cli.video_report.persons import Film

_BUCKET: Final = "facedex-video-search"
_UNNAMED_REGION: Final = "us-east-1"  # CreateBucket refuses it as a LocationConstraint
_POLL: Final = 0.5  # seconds
_SEGMENTS: Final = re.compile(r"(\d+) of (\d+)")
_CONNECTIONS: Final = 4  # number of parts of a video that are uploaded concurrently

_film = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def video() -> None:
    """Search videos for the people of a collection."""


@video.command()
@click.argument("film", metavar="FILE", type=_film)
@click.option("--collection", required=True, metavar="ID", help="Collection to search.")
@click.option(
    "--threshold",
    default=80.0,
    show_default=True,
    type=click.FloatRange(0, 100),
    help="Minimum similarity of a match.",
)
@click.option(
    "--bucket",
    metavar="NAME",
    help="Bucket for the video during the search; created if missing. With Amazon's S3, it must be"
    f" given.  [default: {_BUCKET}]",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.html",
    help="Also write a page with a timeline per person and pictures from the video.",
)
@click.option("--json", "as_json", is_flag=True, help="Print each person as a line of JSON.")
@where.url
@where.region
@where.running
def search(
    film: Path,
    collection: str,
    threshold: float,
    bucket: str | None,
    out: Path | None,
    as_json: bool,
    url: str | None,
    region: str | None,
    data_dir: Path,
) -> None:
    """Search a video for the people of a collection, and print when each person is seen.

    The server must be running (`facedex up`), and the collection must have faces
    (`facedex import PHOTOS --collection ID --create`).

    The video is uploaded to the server's S3 (`facedex up` keeps it in memory) and deleted after the
    search.

    \b
    Example:
      facedex video search lobby.mp4 --collection staff --out lobby.html
    """
    if out:
        _require_folder(out)
    with _plain_errors():
        clients = connection.connect(url, data_dir, _CONNECTIONS, region)
        if bucket is None:
            _require_own_s3(clients)
            bucket = _BUCKET
        _check_collection(clients, collection)
        with _uploaded(clients, film, bucket) as key:
            job_id = clients.rekognition.start_face_search(
                Video={"S3Object": {"Bucket": bucket, "Name": key}},
                CollectionId=collection,
                FaceMatchThreshold=threshold,
            )["JobId"]
            _wait(clients, job_id)
        found = persons.read(clients.rekognition, job_id)
        named = Film(found.job_id, printable(film.name), found.metadata, found.persons)
        if as_json:
            for person in named.persons:
                click.echo(display.line(person))
        else:
            display.print_film(named)
        click.echo(f"job {job_id}", err=as_json)
        if out:
            _write(named, out, film)


@video.command()
@click.argument("job_id")
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.html",
    help="File for the page.",
)
@click.option("--film", type=_film, metavar="FILE", help="Your copy of the video, for pictures.")
@where.url
@where.region
@where.running
def report(
    job_id: str,
    out: Path,
    film: Path | None,
    url: str | None,
    region: str | None,
    data_dir: Path,
) -> None:
    """Write the results of a StartFaceSearch job as a page with a timeline per person.

    Pictures of the people are taken from your own copy of the video, on this machine; without it
    the page has no pictures.
    """
    _require_folder(out)
    with _plain_errors():
        clients = connection.connect(url, data_dir, 1, region)
        _write(persons.read(clients.rekognition, job_id), out, film)


@contextmanager
def _plain_errors() -> Iterator[None]:
    try:
        yield
    except (ImportStopped, FilmError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    except ClientError as error:
        raise click.ClickException(error.response["Error"].get("Message", str(error))) from error
    except EndpointConnectionError as error:
        place = urlsplit(error.kwargs["endpoint_url"])
        raise click.ClickException(
            f"No server answers at {place.scheme}://{place.netloc}; start one with `facedex up`, or"
            " specify another with --url."
        ) from error
    except BotoCoreError as error:
        raise click.ClickException(endpoints.explain(error)) from error
    except S3UploadFailedError as error:
        raise click.ClickException(str(error)) from error


def _require_folder(out: Path) -> None:
    """Check, before a long search, that the page can be written to its folder."""
    if not out.absolute().parent.is_dir():
        raise click.ClickException(
            f"The folder {out.parent} for the page does not exist; create it or specify another."
        )
    require_writable(out, "The page")


def _require_own_s3(clients: Clients) -> None:
    """Check that the bucket's usual name cannot be that of a stranger's bucket, as at Amazon.

    Such a bucket could accept the video.
    """
    if endpoints.is_amazons(clients.s3.meta.endpoint_url):
        raise click.ClickException(
            "The video would be uploaded to Amazon's S3, where another account may own the bucket"
            f" {_BUCKET}; name a bucket of yours with --bucket, or another S3 with"
            " AWS_ENDPOINT_URL_S3."
        )


def _check_collection(clients: Clients, collection: str) -> None:
    """Check, before the upload, that the collection exists."""
    try:
        clients.rekognition.describe_collection(CollectionId=collection)
    except clients.rekognition.exceptions.ResourceNotFoundException:
        raise click.ClickException(
            f"There is no collection {collection}; fill one with"
            f" `facedex import PHOTOS --collection {collection} --create`."
        ) from None


@contextmanager
def _uploaded(clients: Clients, film: Path, bucket: str) -> Iterator[str]:
    """Keep the video in the bucket while the block runs, and yield its key."""
    key = f"{uuid4().hex}/{printable(film.name)}"  # a file's name need not be UTF-8, a key must
    try:
        clients.s3.head_bucket(Bucket=bucket)
    except ClientError:
        _create_bucket(clients, bucket)
    try:
        with _bar("uploading", film.stat().st_size) as advance:
            clients.s3.upload_file(str(film), bucket, key, Callback=advance)
        yield key
    finally:  # also after an interruption: a part or all of the video may have arrived
        with suppress(BotoCoreError, ClientError):
            clients.s3.delete_object(Bucket=bucket, Key=key)


def _create_bucket(clients: Clients, bucket: str) -> None:
    """Create the bucket in the client's region, which S3 wants named unless it is its oldest."""
    region: Any = clients.s3.meta.region_name
    if region == _UNNAMED_REGION:
        clients.s3.create_bucket(Bucket=bucket)
    else:
        clients.s3.create_bucket(
            Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": region}
        )


def _wait(clients: Clients, job_id: str) -> None:
    """Wait for the job and show its progress."""
    with _bar("searching") as advance:
        shown = 0.0
        while True:
            answer: Any = clients.rekognition.get_face_search(JobId=job_id, MaxResults=1)
            if answer["JobStatus"] == "FAILED":
                raise ValueError(answer["StatusMessage"])
            done = _SEGMENTS.search(answer.get("StatusMessage", ""))
            share = int(done[1]) / int(done[2]) if done else 0.0
            if answer["JobStatus"] == "SUCCEEDED":
                share = 1.0
            if share:  # without progress, the bar is only animated
                advance(share - shown)
            shown = share
            if answer["JobStatus"] == "SUCCEEDED":
                break
            time.sleep(_POLL)
    if "StatusMessage" in answer:  # what could not be searched
        click.echo(answer["StatusMessage"], err=True)


@contextmanager
def _bar(title: str, total: float | None = None) -> Iterator[Any]:
    """Show a progress bar.

    Yields:
        A function that advances the bar by a part of `total` or, without one, of 1.
    """
    columns = (TextColumn(f"{title:<10}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
    bar = Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True))
    task = bar.add_task("", total=total)

    def advance(step: float) -> None:
        bar.update(task, total=total or 1, advance=step)

    with bar:
        yield advance


def _write(found: Film, out: Path, film: Path | None) -> None:
    # Imported here, so that other commands do not load PyAV.
    from facedex_cli.video_report import thumbnails

    pictures = thumbnails.cut(film, found.persons) if film else {}
    try:
        out.write_text(page.render(found, pictures), encoding="utf-8")
    except OSError as error:
        raise click.ClickException(
            f"The page cannot be written to {out} ({error.strerror or error})."
        ) from None
    click.echo(f"written to {out}")
