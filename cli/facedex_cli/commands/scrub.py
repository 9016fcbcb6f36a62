"""``facedex scrub``: erase deleted faces from the disk."""

from __future__ import annotations

from math import inf
from pathlib import Path
from time import monotonic, sleep
from typing import Final

import click

from facedex.printing import counted
from facedex.store import erasing
from facedex.store.database import Database
from facedex.store.disk import Disk
from facedex.store.erasing import Erasure
from facedex.store.store_errors import StoreError
from facedex_cli.commands import where
from facedex_cli.commands.stored import require_database
from facedex_local.postgres import abandoned
from facedex_local.postgres.database import opened
from facedex_local.start_errors import StartFailed

_LOCK_SECONDS: Final = 30.0
_POLL: Final = 0.1
_UNUSED: Final = 1.0  # seconds since the last write to a file that a crash left


@click.command()
@where.data_dir("Data directory with the database.")
@where.database_url("Your own Postgres, instead of the embedded one.")
def scrub(data_dir: Path, database_url: str | None) -> None:
    """Erase deleted faces, users and collections from the disk, now.

    Postgres hides a deleted row and keeps its bytes: in the table's file, in indexes, in the
    planner's statistics and in the write-ahead log. This command writes new files without them and
    removes the old ones.

    `facedex up` does the same by itself within ten minutes of a deletion, and when it stops. Run
    this command to have it done at once, or after the server has logged that deleted faces remain.

    \b
    facedex scrub                            the default data directory
    facedex scrub --data-dir ./faces         another one
    facedex scrub --database-url postgresql://facedex@db/facedex

    The command works with a running server and with a stopped one. With a running one, requests
    wait while a table is rewritten, some seconds per million faces. It needs as much free disk
    space as the largest table.

    In your own Postgres (--database-url), only a superuser can replace the statistics and the
    write-ahead log; the command says what remains. It cannot reach backups, standbys, archives of
    the log, snapshots of the disk, and blocks that the file system has freed and not yet reused.
    """
    # A new, empty database would be reported as free of deleted faces.
    data_dir = require_database(data_dir, database_url)
    try:
        with opened(data_dir, database_url) as database:
            disk = None if database_url else Disk(data_dir, 0)
            done = erasing.erase(
                database,
                everything=True,
                lock_seconds=_LOCK_SECONDS,
                room=disk.free if disk else lambda: inf,
                report=lambda step: click.echo(step, err=True),
            )
            assert done is not None
            if not database_url and not _remove_abandoned(data_dir / "postgres", database):
                done.remaining.append("copies of tables that a crash left: requests are writing")
    except (StartFailed, StoreError) as error:
        raise click.ClickException(str(error)) from error
    _show(done)


def _remove_abandoned(cluster: Path, database: Database) -> bool:
    """Remove copies of tables that a crash left; return False if other transactions prevent it."""
    end = monotonic() + _LOCK_SECONDS
    while abandoned.remove(cluster, database, age=_UNUSED, waits=True) is None:
        if monotonic() > end:
            return False
        sleep(_POLL)
    return True


def _show(done: Erasure) -> None:
    if done.tables:
        click.echo(
            f"rewritten: {counted(len(done.tables), 'table')} with indexes and statistics,"
            f" {_size(done.bytes_before)} before and {_size(done.bytes_after)} now"
        )
        click.echo(f"removed: {counted(done.log_files, 'file')} of the write-ahead log")
    for place in done.remaining:
        click.echo(f"not erased: {place}", err=True)
    if done.remaining:
        raise SystemExit(1)
    click.echo("No byte of a deleted face, user or collection is left in the database's files.")


def _size(number: int) -> str:
    return f"{number / (1 << 20):.1f} MiB"
