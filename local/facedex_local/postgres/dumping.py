"""Dumps of a database by Postgres' own programs, which the embedded Postgres brings along."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from facedex_local.postgres.cluster import binaries
from facedex_local.start_errors import DatabaseFailed


def dump(url: str, file: Path, *, snapshot: str) -> None:
    """Write a whole database to a file, compressed, in the format of ``pg_dump --format=custom``.

    Args:
        url: libpq connection string.
        snapshot: exported by an open transaction; the dump has that state.

    Raises:
        DatabaseFailed: if the database cannot be read, or the file not written.
    """
    _run(
        "pg_dump",
        url,
        "--format=custom",
        "--no-owner",
        "--no-privileges",
        f"--snapshot={snapshot}",
        f"--file={file}",
    )


def restore(url: str, file: Path) -> None:
    """Read a dump into an empty database, completely or not at all.

    Raises:
        DatabaseFailed: if the file cannot be read, or the database not written.
    """
    _run(
        "pg_restore",
        url,
        "--no-owner",
        "--no-privileges",
        "--no-comments",  # one on an extension would need its owner
        "--single-transaction",
        str(file),
    )


def _run(program: str, url: str, *arguments: str) -> None:
    place = conninfo_to_dict(url)
    # Other users of the machine see the arguments of a process, and not its environment.
    password = place.pop("password", None)
    environment = {**os.environ, **({"PGPASSWORD": str(password)} if password else {})}
    done = subprocess.run(
        [
            str(binaries() / program),
            f"--dbname={make_conninfo('', **place)}",
            "--no-password",
            *arguments,
        ],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "error" in line]
        reason = lines[0] if lines else f"it ended with status {done.returncode}"
        raise DatabaseFailed(f"{program} failed: {reason}")
