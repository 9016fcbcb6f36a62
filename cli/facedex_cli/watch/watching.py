"""Output of the people seen in a stream to a terminal or a log."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from facedex.printing import counted
from facedex_cli.watch.presence import Presence

_HERE: Final = 3.0  # seconds after the last sighting during which a person counts as present
_ROWS: Final = 30


def render(title: str, presence: Presence, *, status: str, now: float) -> Group:
    """Return a table of people, with a line above it.

    Args:
        title: the processor's name.
        presence: the people.
        status: the processor's status.
        now: the current time, in seconds since 1970.
    """
    latency = "" if presence.latency is None else f", {presence.latency:.2f} s behind the camera"
    head = Text.assemble(
        (title, "bold"), f"  {status}  {counted(presence.frames, 'frame')}{latency}"
    )
    table = Table(box=None, pad_edge=False)
    table.add_column("Person")
    table.add_column("Similarity", justify="right")
    table.add_column("Since")
    table.add_column("Last seen", justify="right")
    rows = 0
    for person in presence.people():
        if rows == _ROWS:
            break
        rows += 1
        ago = max(0.0, now - person.last)
        name = person.name or (f"{person.count} unknown" if person.count > 1 else "unknown")
        table.add_row(
            Text(name),
            f"{person.similarity:.2f}" if person.name else "",
            datetime.fromtimestamp(person.since).strftime("%H:%M:%S"),  # noqa: DTZ006  local time
            "now" if ago < _HERE else _span(ago),
            style="" if ago < _HERE else "dim",
        )
    return Group(head, table if rows else Text("no faces yet", style="dim"))


def _span(seconds: float) -> str:
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def lines(presence: Presence, before: Mapping[str, float]) -> list[str]:
    """Return log lines for the people who have arrived, for output without a terminal.

    Args:
        presence: the people.
        before: the people who were known before, by name, and since when each was present.
    """
    stamp = time.strftime("%H:%M:%S")
    return [
        f"{stamp} {person.name or 'unknown'}"
        + (f" ({person.similarity:.2f})" if person.name else "")
        for person in presence.people()
        if before.get(person.name) != person.since
    ]
