"""``facedex audit``: export and verify the audit log."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TextIO

import click
from rich.console import Console
from rich.progress import Progress

from facedex.printing import counted
from facedex.store import audit_reading
from facedex.store.audit_reading import Filter, Place
from facedex.store.database import Database
from facedex_cli.auditing.exporting import export
from facedex_cli.auditing.verifying import (
    Broken,
    Verified,
    known_heads,
    read_place,
    verify_file,
    verify_table,
)
from facedex_cli.commands import where
from facedex_cli.commands.keys import on_database
from facedex_cli.commands.stored import in_region, plain_errors, require_database
from facedex_local.postgres.database import opened

_Advance = Callable[[int], None]


def _time(value: str) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(
            f"{value!r} must be a time such as 2026-01-31 or 2026-01-31T09:30:00+00:00."
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _head(value: str) -> Place:
    try:
        return read_place(value)
    except ValueError:
        raise click.BadParameter(
            f"{value!r} must be a line that `facedex audit head` printed."
        ) from None


@click.group()
def audit() -> None:
    """Export and verify the audit log: who did what to which face.

    The commands use the database of a data directory, whether or not `facedex up` is running on
    it, or with --database-url your own. FACEDEX_AUDIT=off, changes or all chooses the requests that
    `facedex up` logs.
    """


@audit.command("export")
@click.option("--since", type=_time, metavar="TIME", help="Only rows from this time (UTC).")
@click.option("--until", type=_time, metavar="TIME", help="Only rows before this time (UTC).")
@click.option("--collection", metavar="ID", help="Only rows about this collection, also deleted.")
@click.option("--user", metavar="ID", help="Only rows about this user of the collection.")
@click.option("--face", type=click.UUID, metavar="ID", help="Only rows about this FaceId.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["jsonl", "csv"]),
    default="jsonl",
    show_default=True,
    help="jsonl can be verified; csv is for spreadsheets.",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="File to write. [default: standard output]",
)
@where.region
@on_database
def export_(
    since: datetime | None,
    until: datetime | None,
    collection: str | None,
    user: str | None,
    face: Any,
    format_: str,
    output: Path | None,
    region: str | None,
    data_dir: Path,
    database_url: str | None,
) -> None:
    """Write the rows of the audit log, the oldest first.

    \b
    facedex audit export --output audit.jsonl
    facedex audit export --collection staff --since 2026-01-01 --format csv
    facedex audit export --face 8c6f2c1e-2f7b-4e0a-9d3e-0f6b7f1b3c55

    Without a filter, the file can be verified as a whole: `facedex audit verify audit.jsonl`.
    """
    if user and not collection:
        raise click.UsageError("--user needs --collection.")
    with _opened(data_dir, database_url) as database:
        audit_reading.try_to_chain(database)
        place = in_region(database, region, data_dir).region
        with database.reading() as connection:
            start, head = audit_reading.start(connection), audit_reading.head(connection)
            digest = audit_reading.digest
            wanted = Filter(
                since,
                until,
                digest(connection, "collection", f"{place}/{collection}") if collection else None,
                digest(connection, "user", f"{place}/{collection}/{user}") if user else None,
                str(face) if face else None,
            )
        rows = head.position - start.position
        # A bar would be mixed with rows on the same terminal.
        shown = output is not None or not sys.stdout.isatty()
        with _output(output) as file, _bar("exporting", rows, shown=shown) as advance:
            written = export(database, wanted, file, format_, advance)
    click.echo(counted(written, "row"), err=True)


@audit.command()
@click.argument(
    "file",
    required=False,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="[FILE]",
)
@click.option(
    "--head",
    "heads",
    type=_head,
    multiple=True,
    metavar="HEAD",
    help="A line that `facedex audit head` printed earlier; may be repeated.",
)
@on_database
def verify(
    file: Path | None, heads: tuple[Place, ...], data_dir: Path, database_url: str | None
) -> None:
    """Verify that no row of the audit log was changed, removed or moved.

    \b
    facedex audit verify                                 the database
    facedex audit verify audit.jsonl                     an exported file, without a database
    facedex audit verify --head "1234 5f2c…"             compare with an earlier head

    Rows that were removed from the end can only be noticed by comparison with a head that was kept
    elsewhere. The exit status is 1 if anything is broken, and the message names the first broken
    row.
    """
    try:
        known = known_heads(heads)
        if file:
            with file.open(encoding="utf-8", errors="replace") as lines:
                found = verify_file(lines, known)
        else:
            with _opened(data_dir, database_url) as database:
                found = _verify_database(database, known)
    except Broken as error:
        raise click.ClickException(str(error)) from error
    _show(found)


@audit.command()
@on_database
def head(data_dir: Path, database_url: str | None) -> None:
    """Print the number and the hash of the newest row, for `facedex audit verify --head`.

    Keep the line where the database's administrator cannot change it.
    """
    with _opened(data_dir, database_url) as database:
        audit_reading.try_to_chain(database)
        with database.reading() as connection:
            found = audit_reading.head(connection)
    click.echo(found)


def _verify_database(database: Database, known: dict[int, bytes]) -> Verified:
    with database.reading() as connection:
        audit_reading.start(connection)  # for its error message
    audit_reading.try_to_chain(database)
    with database.reading() as connection:
        rows = audit_reading.head(connection).position - audit_reading.start(connection).position
    with _bar("verifying", rows) as advance:
        return verify_table(database, known, advance)


def _show(found: Verified) -> None:
    click.echo(f"{counted(found.rows, 'row is', 'rows are')} intact; the head is {found.head}")
    if found.waiting:
        newer = counted(found.waiting, "newer row is", "newer rows are")
        click.echo(f"{newer} not chained yet", err=True)
    if found.gaps:
        click.echo(
            f"The file is a selection: it lacks rows in {counted(found.gaps, 'place')}, which"
            " cannot be verified.",
            err=True,
        )


@contextmanager
def _opened(data_dir: Path, database_url: str | None) -> Iterator[Database]:
    """Open the database; a new, empty one would be reported as intact."""
    data_dir = require_database(data_dir, database_url)
    # The role of an auditor may not migrate a database.
    with plain_errors(), opened(data_dir, database_url, migrates=not database_url) as database:
        yield database


@contextmanager
def _output(path: Path | None) -> Iterator[TextIO]:
    if path is None:
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8")  # as in a file, whatever the terminal's is
        yield sys.stdout
        return
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            yield file
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written ({error.strerror}).") from error


@contextmanager
def _bar(doing: str, rows: int, *, shown: bool = True) -> Iterator[_Advance]:
    """Show a progress bar on standard error, if that is a terminal."""
    console = Console(stderr=True)
    bar = Progress(console=console, transient=True)
    task = bar.add_task(doing, total=rows)

    def advance(done: int) -> None:
        if done % 1000 == 0:
            bar.update(task, completed=done)

    with bar if shown and console.is_terminal else nullcontext():
        yield advance
