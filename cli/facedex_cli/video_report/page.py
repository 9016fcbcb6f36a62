"""The report as a page: one HTML file with everything in it, and no script."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from facedex_cli.video_report.persons import Film, Person

_TEMPLATE: Final = "page.html.jinja"
_TICKS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)  # seconds apart
_MOST_TICKS: Final = 10
_LAST_TICK: Final = 0.97  # of the timeline; the text of a later tick would reach beyond it
_FEW: Final = 6  # stays that are written out beside a timeline
_NARROWEST: Final = 0.0025  # of the timeline, so that a glimpse can be seen
_WIDTH: Final = 1000  # of a timeline, in its own coordinates


def clock(milliseconds: int) -> str:
    """Return a moment as people write it: 1:02 or 1:01:02."""
    seconds = round(milliseconds / 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def stay(start: int, end: int) -> str:
    """Return a stay in the picture as people write it: 0:04–0:08, or 0:04 where that is all."""
    first, last = clock(start), clock(end)
    return first if first == last else f"{first}–{last}"


def length(person: Person) -> str:
    """Return in words how long a person is seen."""
    return f"{person.seconds:.1f} s" if person.seconds else "a glimpse"


def render(film: Film, pictures: Mapping[int, str]) -> str:
    """Return the whole page.

    Args:
        film: the film and the persons in it.
        pictures: a data URL for each person of whom there is a picture, by index.
    """
    duration = max(1, film.metadata["DurationMillis"])

    def share(moment: int) -> str:
        return f"{moment / duration:.3%}"

    def position(moment: float) -> str:
        return f"{moment / duration * _WIDTH:.2f}"

    def bar_width(start: int, end: int) -> str:
        return position(max(end - start, _NARROWEST * duration))

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "clock": clock,
        "length_seen": length,
        "position": position,
        "share": share,
        "stays": _stays,
    }
    return environment.get_template(_TEMPLATE).render(
        film=film,
        pictures=pictures,
        matched=[person for person in film.persons if person.matches],
        unmatched=[person for person in film.persons if not person.matches],
        ticks=_ticks(duration),
        bar_width=bar_width,
        width=_WIDTH,
        few=_FEW,
    )


def _stays(stays: Iterable[tuple[int, int]]) -> str:
    return ", ".join(stay(start, end) for start, end in stays)


def _ticks(duration: int) -> list[int]:
    """Return the moments, in ms, that a timeline of this length is marked at."""
    step = next((tick for tick in _TICKS if duration / 1000 / tick <= _MOST_TICKS), _TICKS[-1])
    return [moment for moment in range(0, duration, step * 1000) if moment / duration < _LAST_TICK]
