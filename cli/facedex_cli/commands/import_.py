"""``facedex import``: photos of a folder or of S3 into a collection."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
from botocore.exceptions import BotoCoreError, ClientError

from facedex_cli.commands import where
from facedex_cli.commands.interrupting import INTERRUPTED, interruption
from facedex_cli.importing import connection, display
from facedex_cli.importing.import_errors import ImportStopped
from facedex_cli.importing.indexing import Indexer, Job, work_off
from facedex_cli.importing.journal import Journal, Request
from facedex_cli.importing.naming import Naming, external_image_id
from facedex_cli.importing.outcomes import ACKNOWLEDGED, Outcome, Report, Result, Tally
from facedex_cli.importing.photos import Bucket, Folder, Photo, Source, Unreadable

_S3: Final = "s3://"
_JOURNAL: Final = "imports.sqlite"


@dataclass(frozen=True, slots=True)
class _Choice:
    """What the user chose for every photo alike."""

    naming: Naming
    max_faces: int | None
    quality_filter: str
    again: bool


@click.command("import")
@click.argument("source", metavar="DIR|s3://BUCKET/PREFIX")
@click.option("--collection", required=True, metavar="ID", help="Where the faces go.")
@click.option(
    "--external-id",
    "naming",
    type=click.Choice([each.value for each in Naming]),
    default=Naming.STEM.value,
    show_default=True,
    help="What becomes ExternalImageId: the file's name without its ending, its path, or the name"
    " of its folder. What may not stand in one is escaped as in a URL, with : for %.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(1, 64),
    # One is on its way while every core is busy with another: measured in tests/bench/importing.py.
    default=lambda: (os.cpu_count() or 1) + 1,
    show_default="one more than there are cores",
    metavar="N",
    help="Requests under way at once.",
)
@click.option(
    "--endpoint-url",
    metavar="URL",
    help="Where the face API is. [default: AWS_ENDPOINT_URL, else the running `facedex up`]",
)
@click.option(
    "--create/--no-create", default=True, show_default=True, help="Make a missing collection."
)
@click.option(
    "--max-faces", type=click.IntRange(1), metavar="N", help="Largest faces to take of a photo."
)
@click.option(
    "--quality-filter",
    type=click.Choice(["none", "auto", "low", "medium", "high"], case_sensitive=False),
    default="auto",
    show_default=True,
    help="How good a face must be.",
)
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.csv",
    help="Write what became of each photo.",
)
@click.option("--again", is_flag=True, help="Also what an earlier run has done.")
@where.data_dir(f"Where the server is looked for, and what has been done is noted, in {_JOURNAL}.")
def import_(
    source: str,
    collection: str,
    naming: str,
    concurrency: int,
    endpoint_url: str | None,
    create: bool,
    max_faces: int | None,
    quality_filter: str,
    report: Path | None,
    again: bool,
    data_dir: Path,
) -> None:
    """Index every JPEG and PNG of a folder, or of S3, and say what was not indexed and why.

    Folders in it are imported too; hidden files are not. A second run does only what is new or
    has changed, so that an import which was broken off (Ctrl-C) goes on. The exit status is 1 if
    a photo failed, or is damaged or too large, and 130 after Ctrl-C.
    """
    choice = _Choice(Naming(naming), max_faces, quality_filter.upper(), again)
    try:
        clients = connection.connect(endpoint_url, data_dir, concurrency)
        photos = _source(source, clients)
        files = _list(photos)
        found = connection.find_collection(clients.rekognition, collection, create=create)
        if found.made:
            click.echo(f"made the collection {collection}", err=True)
        with ExitStack() as stack:
            journal = stack.enter_context(
                closing(
                    Journal(data_dir.expanduser() / _JOURNAL, arn=found.arn, created=found.created)
                )
            )
            written = stack.enter_context(_begin(report)) if report else None
            indexer = Indexer(clients.index_faces, collection, photos)
            tally, interrupted = _run(
                _plan(files, photos.name, journal, choice), indexer, journal, concurrency, written
            )
    except ImportStopped as error:
        raise click.ClickException(str(error)) from error
    if interrupted:
        click.echo("interrupted; the same command goes on where this one ended", err=True)
        raise SystemExit(INTERRUPTED)
    if tally.failed:
        raise SystemExit(1)


def _source(name: str, clients: connection.Clients) -> Source:
    if name.startswith(_S3):
        bucket, _, prefix = name.removeprefix(_S3).partition("/")
        return Bucket(clients.s3, bucket, prefix)
    path = Path(name).expanduser()
    if not path.is_dir():
        raise ImportStopped(f"{name} is not a folder, nor s3://BUCKET/PREFIX.")
    return Folder(path)


def _begin(report: Path) -> Report:
    try:
        return Report(report)
    except OSError as error:
        raise ImportStopped(f"The report {report} cannot be written ({error.strerror}).") from error


def _run(
    found: Iterable[Job | Outcome],
    indexer: Indexer,
    journal: Journal,
    concurrency: int,
    report: Report | None,
) -> tuple[Tally, bool]:
    """Import, and show how it goes and what came of it, also where it breaks off."""
    tally = Tally()

    def note(outcome: Outcome) -> None:
        tally.add(outcome)
        if report:
            report.add(outcome)

    try:
        with interruption() as interrupted:
            jobs = []
            for each in found:
                if interrupted:
                    break
                if isinstance(each, Job):
                    jobs.append(each)
                else:
                    note(each)
            with display.progress(len(jobs)) as show:
                for job, outcome in work_off(
                    jobs,
                    indexer.index,
                    concurrency=concurrency,
                    stopped=lambda: bool(interrupted),
                ):
                    if outcome.result in ACKNOWLEDGED:
                        journal.add(job.photo, job.request, outcome)
                    note(outcome)
                    show(tally.faces)
            return tally, bool(interrupted)
    finally:
        display.print_tally(tally)


def _list(source: Source) -> list[Photo | Unreadable]:
    try:
        return list(source.find())
    except (BotoCoreError, ClientError) as error:
        raise ImportStopped(f"The photos cannot be listed: {error}") from error


def _plan(
    files: Iterable[Photo | Unreadable], root: str, journal: Journal, choice: _Choice
) -> Iterator[Job | Outcome]:
    """What there is to do, and what cannot be or has been done."""
    for each in files:
        if isinstance(each, Unreadable):
            yield Outcome(each.place, Result.FAILED, message=each.message)
            continue
        name = external_image_id(choice.naming, each.relative, root)
        request = Request(name, choice.max_faces, choice.quality_filter)
        done = None if choice.again else journal.find(each, request)
        yield done or Job(each, request)
