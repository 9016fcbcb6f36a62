"""The page about a video is readable, safe and complete."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from facedex_cli.video_report.page import clock, render
from facedex_cli.video_report.persons import Film, Match, Person

_METADATA = {
    "DurationMillis": 60_000,
    "FrameWidth": 640,
    "FrameHeight": 360,
    "FrameRate": 25.0,
    "Codec": "h264",
}


def person(index: int, *matches: Match) -> Person:
    return Person(index, [(0, 2000), (30_000, 45_000)], 85, list(matches), 31_000, (0, 0, 1, 1))


class _Tags(HTMLParser):
    """Parser that checks the nesting of tags, and records external references."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.outside: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.outside += [
            value
            for name, value in attrs
            if name in ("src", "href") and value and not value.startswith("data:")
        ]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def _read(html: str) -> _Tags:
    tags = _Tags()
    tags.feed(html)
    tags.close()
    assert tags.open == []
    return tags


@pytest.mark.parametrize(
    ("milliseconds", "text"), [(0, "0:00"), (61_499, "1:01"), (3_661_000, "1:01:01")]
)
def test_times_are_formatted_as_on_a_clock(milliseconds: int, text: str) -> None:
    assert clock(milliseconds) == text


def test_the_report_loads_nothing_and_runs_no_script() -> None:
    film = Film("job", "film.mp4", _METADATA, [person(0, Match("ann", 99.5)), person(1)])
    tags = _read(render(film, {0: "data:image/jpeg;base64,AAAA"}))
    assert tags.outside == []
    assert "script" not in tags.seen
    assert tags.seen.count("img") == 1
    assert tags.seen.count("rect") == 4


def test_an_unknown_person_seen_briefly_is_collapsed() -> None:
    glimpse = Person(1, [(500, 500)], 1, [], 500, (0, 0, 1, 1))
    known = Person(2, [(500, 500)], 1, [Match("ann", 99.5)], 500, (0, 0, 1, 1))
    html = render(Film("job", "film.mp4", _METADATA, [known, person(0), glimpse]), {})
    _read(html)
    before, folded = html.split("<details")
    assert "1 more, each seen for less than a second" in folded
    assert "Person 1" in folded
    assert "ann" in before
    assert "Person 0" in before
    assert html.count("a glimpse") == 2


def test_names_of_films_and_people_are_escaped() -> None:
    evil = '<script>alert("x")</script>'
    film = Film(evil, evil, _METADATA, [person(0, Match(evil, 99.5))])
    html = render(film, {0: "data:image/jpeg;base64,AAAA"})
    assert "script" not in _read(html).seen
    assert html.count("&lt;script&gt;") >= 4


def test_the_report_states_that_no_known_person_appears() -> None:
    html = render(Film("job", "film.mp4", _METADATA, []), {})
    assert "No person in this video resembles a face" in html
    _read(html)
