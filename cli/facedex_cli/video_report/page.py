"""Rendering of the report as one self-contained HTML file without scripts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from facedex_cli.video_report.persons import Film, Person

_TEMPLATE: Final = "page.html.jinja"
_TICKS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)  # seconds apart
_MAX_TICKS: Final = 10
_LAST_TICK: Final = 0.97  # of the timeline; the label of a later tick would overflow it
_MAX_LISTED: Final = 6  # stays that are listed without being folded
_MIN_BAR: Final = 0.0025  # of the timeline, so that a very short stay is visible
_WIDTH: Final = 1000  # of a timeline, in units of its SVG view box


def clock(milliseconds: int) -> str:
    """Format a time, in ms from the start, as 1:02 or 1:01:02."""
    seconds = round(milliseconds / 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def stay(start: int, end: int) -> str:
    """Format a stay in the picture as 0:04–0:08, or as 0:04 if both ends are in one second."""
    first, last = clock(start), clock(end)
    return first if first == last else f"{first}–{last}"


def length(person: Person) -> str:
    """Describe how long a person is seen."""
    return f"{person.seconds:.1f} s" if person.seconds else "a glimpse"


def render(film: Film, pictures: Mapping[int, str]) -> str:
    """Return the page as HTML.

    Args:
        film: the video and the persons in it.
        pictures: data URLs of the persons' pictures, by the person's index. A person may have none.
    """
    duration = max(1, film.metadata["DurationMillis"])

    def share(moment: int) -> str:
        return f"{moment / duration:.3%}"

    def position(moment: float) -> str:
        return f"{moment / duration * _WIDTH:.2f}"

    def bar_width(start: int, end: int) -> str:
        return position(max(end - start, _MIN_BAR * duration))

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
        max_listed=_MAX_LISTED,
    )


def _stays(stays: Iterable[tuple[int, int]]) -> str:
    return ", ".join(stay(start, end) for start, end in stays)


def _ticks(duration: int) -> list[int]:
    """Return the times, in ms, at which a timeline of this length has ticks."""
    step = next((tick for tick in _TICKS if duration / 1000 / tick <= _MAX_TICKS), _TICKS[-1])
    return [moment for moment in range(0, duration, step * 1000) if moment / duration < _LAST_TICK]
