"""Check of output files before long work, whose result would be lost if they cannot be written."""

from __future__ import annotations

import os
from pathlib import Path

import click


def require_writable(path: Path, what: str) -> None:
    """Check that a file can be written, and leave it as it is.

    Args:
        path: the file, which need not exist.
        what: what the command writes to it, for the message.

    Raises:
        click.ClickException: if the file cannot be written.
    """
    try:
        if path.is_fifo():
            return  # to open it would wait for its reader
        new = not path.exists()
        path.open("ab").close()
        if new:
            Path(os.path.realpath(path)).unlink()  # what a symbolic link points to, not the link
    except OSError as error:
        raise click.ClickException(f"{what} {path} cannot be written ({error.strerror}).") from None
