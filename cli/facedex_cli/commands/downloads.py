"""Progress of the downloads of model packs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn

from facedex_models import fetching


@contextmanager
def progress_bar() -> Iterator[fetching.Progress]:
    """Show downloads on standard error while the block runs: bars, or lines in a log."""
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn()
    console = Console(stderr=True)
    bars = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    tasks: dict[str, TaskID] = {}

    def show(what: str, done: int, total: int) -> None:
        if what not in tasks:
            if not console.is_terminal:
                click.echo(f"Fetching {what}", err=True)
            bars.start()
            tasks[what] = bars.add_task(f"Fetching {what}", total=total)
        bars.update(tasks[what], completed=done, total=total)

    try:
        yield show
    finally:
        if tasks:
            bars.stop()
