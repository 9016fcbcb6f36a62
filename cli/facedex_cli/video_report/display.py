"""Output of the persons in a video to the terminal."""

from __future__ import annotations

import json
from typing import Final

from rich.markup import escape
from rich.table import Table

from facedex_cli.consoles import console
from facedex_cli.video_report import page
from facedex_cli.video_report.persons import Film, Person

_MAX_STAYS: Final = 4  # in a row of the table


def line(person: Person) -> str:
    """Return a person as a line of JSON."""
    return json.dumps(
        {
            "Index": person.index,
            "Matches": [
                {"Name": match.name, "Similarity": match.similarity} for match in person.matches
            ],
            "Stays": [{"StartMillis": start, "EndMillis": end} for start, end in person.stays],
        }
    )


def print_film(film: Film) -> None:
    """Print the persons of a video as a table; those who are seen only briefly are counted."""
    console().print(_table(film))
    if passing := sum(person.brief for person in film.persons):
        print(f"and {passing} more, each seen for less than a second, without a match")


def _table(film: Film) -> Table:
    title = f"People in {escape(film.name)}"
    table = Table("Person", "Resembles", title=title, title_justify="left")
    table.add_column("Similarity", justify="right")
    table.add_column("Seen for", justify="right")
    table.add_column("Seen at")
    for person in film.persons:
        if person.brief:
            continue
        best = person.matches[0] if person.matches else None
        stays = [page.stay(start, end) for start, end in person.stays]
        more = len(stays) - _MAX_STAYS
        table.add_row(
            str(person.index),
            best.name if best else "no match",
            f"{best.similarity:.2f}" if best else "",
            page.length(person),
            ", ".join(stays[:_MAX_STAYS]) + (f" and {more} more" if more > 0 else ""),
        )
    return table
