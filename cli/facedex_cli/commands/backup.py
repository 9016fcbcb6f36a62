"""``facedex backup`` and ``facedex restore``: a copy of the database, and the proof that it is."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from facedex.printing import counted, printable
from facedex.store import active_streams, figures
from facedex.store.database import Connection, Database
from facedex.store.figures import Contents, Found
from facedex.store.schema import migrate
from facedex.store.store_errors import StoreError
from facedex_cli.commands.keys import on_database
from facedex_cli.commands.stored import require_database
from facedex_local import environment, terminal
from facedex_local.postgres import dumping
from facedex_local.postgres.cluster import Postgres
from facedex_local.postgres.database import located
from facedex_local.start_errors import StartFailed

_DUMP: Final = "database.dump"
_FIGURES: Final = "figures.json"
_COUNTED: Final = ("collections", "faces", "users")
_STOPPED: Final = "Stopped by the restore of a backup; start it again with StartStreamProcessor."

_folder = click.argument(
    "folder", metavar="FOLDER", type=click.Path(file_okay=False, path_type=Path)
)


@dataclass(frozen=True, slots=True)
class _Backup:
    made: str
    tables: dict[str, Contents]
    searches: list[Found]

    def __str__(self) -> str:
        counts = (f"{name} {self.tables[name].rows}" for name in _COUNTED if name in self.tables)
        return ", ".join(counts)


@click.command()
@_folder
@on_database
def backup(folder: Path, data_dir: Path, database_url: str | None) -> None:
    """Write a copy of the database to the new folder FOLDER.

    \b
    facedex backup ~/backups/monday
    facedex restore ~/backups/monday --data-dir ./restored

    The command works with a running server, whose requests do not wait, and with a stopped one. The
    folder contains the database in the format of pg_dump, and figures by which `facedex restore`
    proves that nothing is missing. It contains biometric data, and still contains a face that is
    deleted later: protect it like the database, and delete it when its time is over.

    Secrets of access keys are encrypted in it. The key for them, keys.secret in the data directory,
    is not: keep a copy of it in another place.
    """
    data_dir = require_database(data_dir, database_url)
    with _plain_errors(folder):
        folder.mkdir(mode=0o700, parents=True)
        try:
            with located(data_dir, database_url) as url, _connected(url) as database:
                migrate(database)
                with database.reading() as connection, connection.snapshot():
                    made = _write(connection, url, folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)  # it is incomplete
            raise
    click.echo(f"{folder}: {made}, as of {made.made}")


def _write(connection: Connection, url: str, folder: Path) -> _Backup:
    snapshot = figures.export(connection)
    made = datetime.now(UTC).isoformat(timespec="seconds")
    (folder / _DUMP).touch(mode=0o600)
    dumping.dump(url, folder / _DUMP, snapshot=snapshot)
    found = _Backup(made, figures.tables(connection), figures.searches(connection))
    document = {"made": made, **figures.to_json(found.tables, found.searches)}
    # Last, so that a folder with figures is complete.
    with (folder / _FIGURES).open("x", encoding="utf-8") as file:
        (folder / _FIGURES).chmod(0o600)
        json.dump(document, file)
    return found


@click.command()
@_folder
@click.option(
    "--resume-streams",
    is_flag=True,
    help="Let the stream processors run again that ran at the backup.",
)
@on_database
def restore(folder: Path, resume_streams: bool, data_dir: Path, database_url: str | None) -> None:
    """Read the backup in FOLDER into a new data directory, and check that it is complete.

    \b
    facedex restore ~/backups/monday --data-dir ./restored
    facedex up --data-dir ./restored

    Every table must have the rows that it had at the backup, and searches must find the same faces
    with the same scores; otherwise the exit status is 1. The database must be empty: an existing
    one is never overwritten. Faces that were deleted after the backup exist again, so delete them
    again before it is searched.

    Stream processors that ran at the backup are stopped: if the old server still runs, both would
    read the same cameras and write to the same data streams.

    An interruption (Ctrl-C) before the database is restored leaves it empty. One during the checks
    leaves a database that was not checked, and the command says how to begin again.
    """
    with _plain_errors(folder):
        before = _read(folder)
        with located(data_dir, database_url) as url, _connected(url) as database:
            with database.transaction() as connection:
                if not figures.is_empty(connection):
                    raise click.ClickException(
                        "There is a database already, and it is not overwritten; name a new"
                        " --data-dir, or an empty database."
                    )
            dumping.restore(url, folder / _DUMP)
            with _unchecked(data_dir, database_url):
                different = _differences(database, before)
                stopped = [] if resume_streams else _stop_streams(database)
    if different:
        raise click.ClickException(f"The restored database differs: {'; '.join(different)}.")
    click.echo(f"restored: {before}, as of {before.made}")
    click.echo(
        f"checked: {counted(len(before.tables), 'table has', 'tables have')} the rows of the"
        f" backup, and {counted(len(before.searches), 'search', 'searches')} found the same faces"
    )
    if stopped:
        click.echo(
            "stopped, so that no camera is watched by two servers:"
            f" {', '.join(map(printable, stopped))} (StartStreamProcessor starts them)"
        )


@contextmanager
def _unchecked(data_dir: Path, database_url: str | None) -> Iterator[None]:
    """Say what the database is if a signal or an error ends the block.

    It is complete, and looks like one that was checked. It is not removed, because nothing else
    in this program deletes a database.
    """
    try:
        yield
    except BaseException:
        again = (
            "restore the backup into another, empty one"
            if database_url
            else f"delete {Postgres(data_dir.expanduser()).cluster} and run the same command again"
        )
        terminal.say(
            "\nThe backup was restored, but not checked to the end, and its stream processors may"
            f" run. Do not use this database: {printable(again)}."
        )
        raise


def _stop_streams(database: Database) -> list[str]:
    with database.transaction() as connection:
        return active_streams.stop_all(connection, _STOPPED)


def _differences(database: Database, before: _Backup) -> list[str]:
    with database.transaction() as connection:
        figures.without_limits(connection)
        now = figures.tables(connection)
    different = [
        f"{name} has {now[name].rows if name in now else 'no'} rows of {contents.rows}, or others"
        for name, contents in before.tables.items()
        if now.get(name) != contents
    ]
    if different:
        return different
    migrate(database)  # searches need the schema of this release
    with database.transaction() as connection:
        figures.without_limits(connection)
        again = [figures.search_again(connection, found) for found in before.searches]
    pairs = zip(before.searches, again, strict=True)
    return [
        f"a search with the face {found.probe} finds others"
        for found, now_found in pairs
        if not figures.alike(found, now_found)
    ]


def _read(folder: Path) -> _Backup:
    try:
        (folder / _DUMP).open("rb").close()
        document: Any = json.loads((folder / _FIGURES).read_text("utf-8"))
        return _Backup(document["made"], *figures.from_json(document))
    except FileNotFoundError:
        raise click.ClickException(f"{folder} has no complete backup.") from None
    except (ValueError, KeyError, TypeError):
        raise click.ClickException(f"{folder / _FIGURES} is damaged.") from None


@contextmanager
def _connected(url: str) -> Iterator[Database]:
    database = Database(url, connections=1, region=environment.region())
    try:
        yield database
    finally:
        database.close()


@contextmanager
def _plain_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError:
        raise click.ClickException(f"{folder} exists already; name a new folder.") from None
    except OSError as error:
        raise click.ClickException(f"{folder} cannot be used: {error.strerror}.") from error
    except (StartFailed, StoreError) as error:
        raise click.ClickException(str(error)) from error
