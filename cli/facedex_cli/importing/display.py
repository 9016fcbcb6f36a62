"""Terminal output of an import: the files found, a progress bar, then a table of results."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from facedex.api.photo_results import FAILURES, Result
from facedex.printing import counted, printable
from facedex_cli.consoles import console
from facedex_cli.importing.outcomes import Tally

Item = TypeVar("Item")

_COUNTED = 1000  # files between two numbers on the terminal
_COLUMNS = (
    TextColumn("{task.description}"),
    BarColumn(),
    MofNCompleteColumn(),
    TextColumn("{task.fields[rate]:.1f} images/s"),
    TextColumn("{task.fields[faces]}"),
    TimeRemainingColumn(),
)


@contextmanager
def progress(total: int, doing: str = "importing") -> Iterator[Callable[[int], None]]:
    """Show a progress bar on standard error while the block runs.

    Args:
        total: number of photos.
        doing: label of the bar.

    Yields:
        A function to call after each photo, with the number of faces indexed so far.
    """
    bar = Progress(*_COLUMNS, console=Console(stderr=True))
    task = bar.add_task(doing, total=total, rate=0.0, faces=counted(0, "face"))
    started = time.perf_counter()
    done = 0

    def advance(faces: int) -> None:
        nonlocal done
        done += 1
        rate = done / (time.perf_counter() - started)
        bar.update(task, advance=1, rate=rate, faces=counted(faces, "face"))

    if not total:
        yield advance
        return
    with bar:
        yield advance


def collect(found: Iterable[Item]) -> list[Item]:
    """Return files that are being listed, and show their number on a terminal meanwhile.

    S3 lists a thousand objects in a request: a million take minutes.
    """
    terminal = Console(stderr=True)
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        console=terminal,
        transient=True,
        disable=not terminal.is_terminal,
    )
    task = bar.add_task("listing the files")
    items: list[Item] = []
    with bar:
        for item in found:
            items.append(item)
            if not len(items) % _COUNTED:
                bar.update(task, description=f"listing the files: {len(items):,} so far")
    return items


def print_tally(tally: Tally) -> None:
    """Print the counts by result, and the first failures."""
    out = console()
    earlier = tally.earlier.total() > 0
    table = Table("Photos")
    table.add_column("now", justify="right")
    if earlier:
        table.add_column("earlier", justify="right")
    for result in Result:
        if tally.now[result] or tally.earlier[result]:
            counts = [tally.now[result], tally.earlier[result]][: 1 + earlier]
            style = "red" if result in FAILURES else None
            table.add_row(result, *map(str, counts), style=style)
    if not table.rows:
        out.print("There are no files to import.")
        return
    out.print(table)
    out.print(f"{counted(tally.faces, 'face')} indexed now.")
    if tally.reasons:
        listed = ", ".join(f"{count} {reason}" for reason, count in tally.reasons.most_common())
        out.print(f"Faces found and not indexed: {listed}.")
    if tally.smaller:
        out.print(f"Photos too large for a request, and sent smaller: {tally.smaller}.")
    for failure in tally.failures:
        line = f"{failure.result}: {failure.place}"
        out.print(
            printable(f"{line} ({failure.message})" if failure.message else line),
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    more = sum(tally.now[result] for result in FAILURES) - len(tally.failures)
    if more:
        out.print(f"...and {more} more: --report FILE.csv lists every photo.")
