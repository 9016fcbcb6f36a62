"""Output of a campaign: a live line of progress, and the table at the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from tests.campaign.stage import Stage
from tests.campaign.tally import Kind, Tally

_FRAME = 0.5  # seconds between updates of the line
_LINE = 10.0  # seconds between lines in a log
_WIDTH = 110  # columns of the report in a log
_COLUMNS = ("tried", "answered", "refused", "in doubt", "checked", "lost", "unexpected")


@contextmanager
def progress(stage: Stage, tally: Tally) -> Iterator[None]:
    """Show a part's counts on standard error while the block runs.

    On a terminal one line is updated; a log gets a line every ten seconds.
    """
    console = Console(stderr=True)
    began, ended = time.monotonic(), threading.Event()

    def line() -> str:
        spent = int(time.monotonic() - began)
        return f"{stage.part}  {spent} of {stage.seconds:.0f} s  {escape(tally.describe())}"

    def log() -> None:
        while not ended.wait(_LINE):
            console.print(line(), highlight=False, soft_wrap=True)

    def update() -> None:
        with Live(console=console, auto_refresh=False) as live:
            while not ended.wait(_FRAME):
                live.update(line(), refresh=True)
            live.update(line(), refresh=True)

    writer = threading.Thread(target=update if console.is_terminal else log, daemon=True)
    writer.start()
    try:
        yield
    finally:
        ended.set()
        writer.join()


def print_report(seed: str, tallies: Sequence[Tally], console: Console | None = None) -> None:
    """Print the counts of all parts, the error codes, and the incidents."""
    console = console or Console()
    if not console.is_terminal:
        console.width = _WIDTH
    table = Table("Part", title=f"Campaign with seed {seed}")
    for column in _COLUMNS:
        table.add_column(column, justify="right")
    table.add_column("slowest", justify="right")
    for tally in tallies:
        lost, unexpected = tally.count(Kind.LOST), tally.count(Kind.UNEXPECTED)
        counts = (tally.tried, tally.answered, tally.refused.total(), tally.doubtful)
        table.add_row(
            tally.part,
            *map(str, (*counts, tally.checked, lost, unexpected)),
            "skipped" if tally.skipped else f"{tally.slowest:.1f} s",
            style="red" if lost or unexpected else None,
        )
    console.print(table)
    for tally in tallies:
        if tally.skipped:
            console.print(f"{tally.part} was skipped: {tally.skipped}", markup=False)
        for counts_of in (tally.refused, tally.notes):
            if counts_of:
                listed = ", ".join(f"{count} {what}" for what, count in counts_of.most_common())
                console.print(f"{tally.part}: {listed}", markup=False, highlight=False)
    for tally in tallies:
        for incident in tally.incidents:
            console.print(
                f"{incident.kind} in {incident.part} (attempt {incident.number}): "
                f"{incident.sentence}",
                markup=False,
                highlight=False,
                style="red",
            )
