"""``facedex import``: index the photos of a folder or of S3 in a collection."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
from botocore.exceptions import BotoCoreError, ClientError

from facedex.api.naming import Naming, external_image_id
from facedex.api.photo_results import ACKNOWLEDGED, Result
from facedex_cli.commands import where
from facedex_cli.commands.interrupting import exit_status, interruption
from facedex_cli.importing import connection, display
from facedex_cli.importing.import_errors import ImportStopped
from facedex_cli.importing.indexing import Indexer, Job, run_jobs
from facedex_cli.importing.journal import Journal, Request
from facedex_cli.importing.outcomes import Outcome, Report, Tally
from facedex_cli.importing.photos import Bucket, Folder, Photo, Source, Unreadable

_S3: Final = "s3://"
_JOURNAL: Final = "imports.sqlite"


@dataclass(frozen=True, slots=True)
class _Choice:
    """The user's options for all photos."""

    naming: Naming
    max_faces: int | None
    quality_filter: str
    again: bool


@click.command("import")
@click.argument("source", metavar="DIR|s3://BUCKET/PREFIX")
@click.option("--collection", required=True, metavar="ID", help="Collection for the faces.")
@click.option(
    "--external-id",
    "naming",
    type=click.Choice([each.value for each in Naming]),
    default=Naming.STEM.value,
    show_default=True,
    help="Source of ExternalImageId: the file's name without its extension, its path, or the name"
    " of its folder. Invalid characters are escaped as in a URL, with : for %.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(1, 64),
    # One request is in transit while every core processes another: see tests/bench/importing.py.
    default=lambda: (os.cpu_count() or 1) + 1,
    show_default="one more than the number of cores",
    metavar="N",
    help="Number of concurrent requests.",
)
@where.url
@click.option(
    "--create/--no-create", default=True, show_default=True, help="Create a missing collection."
)
@click.option(
    "--max-faces", type=click.IntRange(1), metavar="N", help="Index only the N largest faces."
)
@click.option(
    "--quality-filter",
    type=click.Choice(["none", "auto", "low", "medium", "high"], case_sensitive=False),
    default="auto",
    show_default=True,
    help="Minimum quality of faces.",
)
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.csv",
    help="Write the result of each photo to this file.",
)
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Import hidden files too, and folders of the system such as @eaDir.",
)
@click.option("--again", is_flag=True, help="Repeat photos that an earlier run has indexed.")
@where.region
@where.data_dir(f"Data directory of the server, and of {_JOURNAL}, which records finished photos.")
def import_(
    source: str,
    collection: str,
    naming: str,
    concurrency: int,
    url: str | None,
    region: str | None,
    create: bool,
    max_faces: int | None,
    quality_filter: str,
    report: Path | None,
    everything: bool,
    again: bool,
    data_dir: Path,
) -> None:
    """Index every JPEG and PNG of a folder or of S3, and report photos that were not indexed.

    Subfolders are imported too. Hidden files, and folders that systems create for thumbnails and
    deleted files, are not, unless --all is given. A second run processes only photos that are
    new or have changed, so it continues an interrupted import (Ctrl-C). The exit status is 1 if a
    photo failed, or is damaged or too large, and 130 after Ctrl-C.
    """
    choice = _Choice(Naming(naming), max_faces, quality_filter.upper(), again)
    try:
        clients = connection.connect(url, data_dir, concurrency, region)
        photos = _source(source, clients, everything=everything)
        files = _list(photos)
        if photos.excluded:
            click.echo(
                f"hidden files and system folders excluded: {photos.excluded}; --all imports them",
                err=True,
            )
        with ExitStack() as stack:
            # Before the collection, so that a wrong name leaves nothing behind.
            written = stack.enter_context(Report(report)) if report else None
            found = connection.find_collection(clients.rekognition, collection, create=create)
            if found.made:
                click.echo(f"created the collection {collection}", err=True)
            journal = stack.enter_context(
                closing(
                    Journal(data_dir.expanduser() / _JOURNAL, arn=found.arn, created=found.created)
                )
            )
            indexer = Indexer(clients.index_faces, collection, photos)
            tally, interrupted = _run(
                _plan(files, photos.name, journal, choice), indexer, journal, concurrency, written
            )
    except ImportStopped as error:
        raise click.ClickException(str(error)) from error
    if interrupted:
        click.echo("interrupted; run the same command again to continue", err=True)
        raise SystemExit(exit_status(interrupted[0]))
    if tally.failed:
        raise SystemExit(1)


def _source(name: str, clients: connection.Clients, *, everything: bool) -> Source:
    bucket, _, prefix = name.removeprefix(_S3).partition("/")
    if bucket and name.startswith(_S3):
        return Bucket(clients.s3, bucket, prefix, everything=everything)
    path = Path(name).expanduser()
    if not name or not path.is_dir():  # an unset variable of a script is not the current folder
        raise ImportStopped(f"{name or repr(name)} is not a folder, nor s3://BUCKET/PREFIX.")
    return Folder(path, everything=everything)


def _run(
    found: Iterable[Job | Outcome],
    indexer: Indexer,
    journal: Journal,
    concurrency: int,
    report: Report | None,
) -> tuple[Tally, list[int]]:
    """Import photos; show progress and, also after an interruption, a summary.

    Returns:
        The counts, and the signal that interrupted the import, if one did.
    """
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
                for job, outcome in run_jobs(
                    jobs,
                    indexer.index,
                    concurrency=concurrency,
                    stopped=lambda: bool(interrupted),
                ):
                    if outcome.result in ACKNOWLEDGED:
                        journal.add(job.photo, job.request, outcome)
                    note(outcome)
                    show(tally.faces)
            return tally, interrupted
    finally:
        display.print_tally(tally)


def _list(source: Source) -> list[Photo | Unreadable]:
    try:
        return display.collect(source.find())
    except (BotoCoreError, ClientError) as error:
        raise ImportStopped(f"The photos cannot be listed: {error}") from error


def _plan(
    files: Iterable[Photo | Unreadable], root: str, journal: Journal, choice: _Choice
) -> Iterator[Job | Outcome]:
    """Yield a job for each photo to index, and an outcome for each one that needs none."""
    for each in files:
        if isinstance(each, Unreadable):
            yield Outcome(each.place, Result.FAILED, message=each.message)
            continue
        name = external_image_id(choice.naming, each.relative, root)
        request = Request(name, choice.max_faces, choice.quality_filter)
        done = None if choice.again else journal.find(each, request)
        yield done or Job(each, request)
