"""The people seen in a stream, with the times of their first and last sightings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from facedex_cli.watch.records import Frame

# Seconds of absence after which a returning person counts as newly arrived.
_AWAY: Final = 10.0
_MOST: Final = 200  # maximum number of people kept


@dataclass(slots=True)
class Person:
    """A person who was seen.

    Attributes:
        name: empty for people without a match, who share one entry.
        similarity: similarity of the latest match.
        best: highest similarity since the person arrived.
        since: time of the first frame with the person, in seconds since 1970.
        last: time of the latest frame with the person, in seconds since 1970.
        count: number of people with this name in the latest frame.
    """

    name: str
    similarity: float
    best: float
    since: float
    last: float
    count: int = 1


class Presence:
    """The people in the frames of a stream.

    Attributes:
        frames: number of frames so far.
        latency: seconds from the latest frame to its record; None before the first.
    """

    def __init__(self) -> None:
        self.frames = 0
        self.latency: float | None = None
        self._people: dict[str, Person] = {}

    def see(self, frame: Frame, now: float) -> None:
        """Add a frame.

        Args:
            frame: the frame.
            now: arrival time of its record, in seconds since 1970.
        """
        self.frames += 1
        self.latency = now - frame.time
        counted: dict[str, int] = {}
        for each in frame.observations:
            counted[each.name] = counted.get(each.name, 0) + 1
            known = self._people.get(each.name)
            if known is None or each.time - known.last > _AWAY:
                known = Person(each.name, 0.0, 0.0, each.time, each.time)
                self._people[each.name] = known
            known.similarity = each.similarity
            known.best = max(known.best, each.similarity)
            known.last = max(known.last, each.time)
            known.count = counted[each.name]
        self._remove_oldest()

    def people(self) -> Iterator[Person]:
        """Yield all people, the last seen first; people without a match after the others."""
        people = self._people.values()
        yield from sorted(people, key=lambda each: (-each.last, not each.name, each.name))

    def _remove_oldest(self) -> None:
        while len(self._people) > _MOST:
            oldest = min(self._people.values(), key=lambda each: each.last)
            del self._people[oldest.name]
