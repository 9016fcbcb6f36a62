"""The page: one HTML file with everything in it, and no script."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Final

from facedex_cli.video_report.persons import Film, Person

_STYLE: Final = Path(__file__).with_name("page.css")
_TICKS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)  # seconds apart
_MOST_TICKS: Final = 10
_NOBODY: Final = "Nobody in this film resembles a face of the collection."
_BRIEFLY: Final = "more, each seen for less than a second"
_FEW: Final = 6  # stays that are written out beside a timeline
_NARROWEST: Final = 0.25  # percent of the timeline, so that a glimpse can be seen
_ROW, _WIDTH = 28, 1000  # of a timeline's own coordinates


def clock(milliseconds: int) -> str:
    """A moment as people write it: 1:02 or 1:01:02."""
    seconds = round(milliseconds / 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def stay(start: int, end: int) -> str:
    """A stay in the picture as people write it: 0:04–0:08, or 0:04 where that is all."""
    first, last = clock(start), clock(end)
    return first if first == last else f"{first}–{last}"


def length(person: Person) -> str:
    """How long a person is seen, in words."""
    return f"{person.seconds:.1f} s" if person.seconds else "a glimpse"


def render(film: Film, pictures: Mapping[int, str]) -> str:
    """The whole page.

    Args:
        film: who is in it.
        pictures: a data URL for each person of whom there is a picture, by index.
    """
    known = [person for person in film.persons if person.matches]
    others = [person for person in film.persons if not person.matches]
    duration = max(1, film.metadata["DurationMillis"])
    name = escape(film.name)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Who is in {name}</title>
<style>{_STYLE.read_text("utf-8")}</style>
</head>
<body>
<header>
<h1>Who is in <span class="film">{name}</span></h1>
<dl>{_facts(film, known, others)}</dl>
</header>
<main>
{_section("Matched", _NOBODY, known, duration, pictures)}
{_section("Not matched", "", others, duration, pictures)}
</main>
<footer>
<p>A bar is a stay in the picture, a ring the moment when the face is seen best.
<b>Similarity</b>: 100 minus it is the number of false matches to be expected in 10,000 comparisons
of different people. A match is a resemblance, not a proof of identity.
Faces too dark, blurred or averted to tell whose they are, are listed and not compared.</p>
<p>Job {escape(film.job_id)}. Pictures, if there are any, were cut from the film on this machine,
dark ones lightened; the service keeps none.</p>
</footer>
</body>
</html>
"""


def _facts(film: Film, known: list[Person], others: list[Person]) -> str:
    data = film.metadata
    facts = {
        "Length": clock(data["DurationMillis"]),
        "Picture": f"{data['FrameWidth']} × {data['FrameHeight']},"
        f" {data['FrameRate']:.4g} frames/s, {data['Codec']}",
        "Matched": str(len(known)),
        "Not matched": str(len(others)),
    }
    return "".join(
        f"<div><dt>{key}</dt><dd>{escape(value)}</dd></div>" for key, value in facts.items()
    )


def _section(
    title: str, empty: str, persons: list[Person], duration: int, pictures: Mapping[int, str]
) -> str:
    if not persons and not empty:
        return ""
    if not persons:
        return f"<section><h2>{title}</h2><p>{empty}</p></section>"
    lasting = [person for person in persons if not person.brief]
    passing = [person for person in persons if person.brief]
    content = _list(lasting, duration, pictures)
    if passing:
        content += (
            f'<details class="brief"><summary>{len(passing)} {_BRIEFLY}</summary>'
            f"{_list(passing, duration, pictures)}</details>"
        )
    return f"<section><h2>{title}</h2>{content}</section>"


def _list(persons: list[Person], duration: int, pictures: Mapping[int, str]) -> str:
    if not persons:
        return ""
    rows = "\n".join(_row(person, duration, pictures.get(person.index)) for person in persons)
    return f'{_axis(duration)}<ul class="people">{rows}</ul>'


def _axis(duration: int) -> str:
    step = next((tick for tick in _TICKS if duration / 1000 / tick <= _MOST_TICKS), _TICKS[-1])
    ticks = "".join(
        f'<span style="left:{moment / duration:.3%}">{clock(moment)}</span>'
        for moment in range(0, duration, step * 1000)
        if moment / duration < 0.97
    )
    return f'<div class="axis" aria-hidden="true"><div>{ticks}</div></div>'


def _row(person: Person, duration: int, picture: str | None) -> str:
    title = escape(person.title)
    face = (
        f'<img src="{picture}" alt="{title} at {clock(person.peak)}" width="80" height="80">'
        if picture
        else '<span class="nobody" aria-hidden="true"></span>'
    )
    matches = "".join(
        f'<li><span>{escape(match.name)}</span> <meter min="0" max="100"'
        f' value="{match.similarity:.2f}" aria-label="similarity"></meter>'
        f" <b>{match.similarity:.2f}</b></li>"
        for match in person.matches
    )
    return f"""<li class="person">
<div class="who">{face}<div><h3>{title}</h3>
<p>{length(person)}, best at {clock(person.peak)}</p>
</div></div>
<div class="when">{_timeline(person, duration, title)}
{_stays(person)}
{f'<ul class="matches">{matches}</ul>' if matches else ""}</div>
</li>"""


def _stays(person: Person) -> str:
    written = ", ".join(stay(start, end) for start, end in person.stays)
    if len(person.stays) <= _FEW:
        return f'<p class="stays">{written}</p>'
    return f"<details><summary>{len(person.stays)} stays</summary><p>{written}</p></details>"


def _timeline(person: Person, duration: int, title: str) -> str:
    scale = _WIDTH / duration
    bars = "".join(
        f'<rect x="{start * scale:.2f}" y="6"'
        f' width="{max((end - start) * scale, _NARROWEST * _WIDTH / 100):.2f}"'
        f' height="{_ROW - 12}"><title>{clock(start)} to {clock(end)}</title></rect>'
        for start, end in person.stays
    )
    peak = person.peak / duration
    return (
        f'<div class="line"><svg viewBox="0 0 {_WIDTH} {_ROW}" preserveAspectRatio="none"'
        f' role="img" aria-label="When {title} is seen">{bars}</svg>'
        f'<i class="peak" style="left:{peak:.3%}" title="best seen at {clock(person.peak)}"></i>'
        "</div>"
    )
