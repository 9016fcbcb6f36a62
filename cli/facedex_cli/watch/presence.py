"""Who is seen, since when, and when last."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from facedex_cli.watch.records import Frame

# Seconds out of sight after which somebody who comes back has come anew.
_AWAY: Final = 10.0
_MOST: Final = 200  # people that are remembered


@dataclass(slots=True)
class Person:
    """Somebody who was seen.

    Attributes:
        name: empty for those whom nobody matches, who are counted as one.
        similarity: of the latest match; best: of the best one since they came.
        since, last: seconds since 1970, of the frames.
        count: how many such people the latest frame shows.
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
        frames: that were seen.
        latency: seconds from the latest frame to its record; None before the first.
    """

    def __init__(self) -> None:
        self.frames = 0
        self.latency: float | None = None
        self._people: dict[str, Person] = {}

    def see(self, frame: Frame, now: float) -> None:
        """Take a frame whose record came at ``now``, in seconds since 1970."""
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
        self._forget()

    def people(self) -> Iterator[Person]:
        """Everybody, who was seen last first, strangers behind those who are known."""
        people = self._people.values()
        yield from sorted(people, key=lambda each: (-each.last, not each.name, each.name))

    def _forget(self) -> None:
        while len(self._people) > _MOST:
            oldest = min(self._people.values(), key=lambda each: each.last)
            del self._people[oldest.name]
