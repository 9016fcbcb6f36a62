"""The counts of a part, and the incidents that must not happen."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

_MOST_SAVED = 50  # incidents of one part; the others are only counted


class Kind(StrEnum):
    """What is wrong in an incident."""

    LOST = "lost"  # an acknowledged write cannot be found, or a deleted record can
    UNEXPECTED = "unexpected"  # any other violation of a promise


@dataclass(frozen=True)
class Incident:
    """A violation of a promise.

    Attributes:
        part: name of the part.
        seed: seed of the campaign.
        number: number of the attempt, or None if it belongs to no single attempt.
        kind: what is wrong.
        sentence: what happened, as one sentence.
    """

    part: str
    seed: str
    number: int | None
    kind: Kind
    sentence: str


class Tally:
    """The counts of one part, written by several threads.

    Attributes:
        part: name of the part.
        tried, answered, doubtful, checked: numbers of attempts, of successful ones, of those whose
            answer was lost, and of checked facts.
        refused: number of refused attempts by error code.
        notes: other counts worth reporting, such as kills by kind of process.
        slowest: the longest time of an answer, in seconds.
        skipped: the reason why the part did not run, or "".
        incidents: all violations.
    """

    def __init__(self, part: str, seed: str, folder: Path) -> None:
        self.part = part
        self.tried = self.answered = self.doubtful = self.checked = 0
        self.refused: Counter[str] = Counter()
        self.notes: Counter[str] = Counter()
        self.slowest = 0.0
        self.skipped = ""
        self.incidents: list[Incident] = []
        self._seed, self._folder = seed, folder
        self._lock = threading.Lock()

    def attempt(self) -> None:
        with self._lock:
            self.tried += 1

    def answer(self, seconds: float = 0.0) -> None:
        """Count a successful answer."""
        with self._lock:
            self.answered += 1
            self.slowest = max(self.slowest, seconds)

    def refuse(self, code: str, seconds: float = 0.0) -> None:
        """Count an error answer."""
        with self._lock:
            self.refused[code] += 1
            self.slowest = max(self.slowest, seconds)

    def doubt(self) -> None:
        """Count an operation whose answer was lost."""
        with self._lock:
            self.doubtful += 1

    def check(self, count: int = 1) -> None:
        """Count facts that were compared with what the product shows."""
        with self._lock:
            self.checked += count

    def note(self, what: str, count: int = 1) -> None:
        with self._lock:
            self.notes[what] += count

    def lose(self, sentence: str, number: int | None = None) -> None:
        """Report that an acknowledged write was lost."""
        self._report(Kind.LOST, sentence, number, b"")

    def surprise(self, sentence: str, number: int | None = None, material: bytes = b"") -> None:
        """Report any other violation, and save the input that caused it."""
        self._report(Kind.UNEXPECTED, sentence, number, material)

    def count(self, kind: Kind) -> int:
        """Return the number of incidents of a kind."""
        return sum(incident.kind is kind for incident in self.incidents)

    def _report(self, kind: Kind, sentence: str, number: int | None, material: bytes) -> None:
        with self._lock:
            self.incidents.append(Incident(self.part, self._seed, number, kind, sentence))
            place = len(self.incidents)
            if place > _MOST_SAVED:
                return
            self._folder.mkdir(parents=True, exist_ok=True)
            described = {
                "part": self.part,
                "seed": self._seed,
                "number": number,
                "kind": kind,
                "sentence": sentence,
            }
            file = self._folder / f"{self.part}-{place}.json"
            file.write_text(json.dumps(described, indent=2) + "\n")
            if material:
                file.with_suffix(".input").write_bytes(material)

    def describe(self) -> str:
        """Return the counts as one short line."""
        line = f"{self.tried} tried, {self.answered} answered, {self.refused.total()} refused"
        more = {"in doubt": self.doubtful, "checked": self.checked, **self.notes}
        line += "".join(f", {count} {what}" for what, count in more.items() if count)
        lost, unexpected = (self.count(kind) for kind in (Kind.LOST, Kind.UNEXPECTED))
        return f"{line}; {lost} lost, {unexpected} unexpected"


def read_incident(file: Path) -> Incident:
    """Read an incident that a campaign saved."""
    found = json.loads(file.read_text())
    return Incident(
        found["part"], found["seed"], found["number"], Kind(found["kind"]), found["sentence"]
    )


def failed(tallies: Sequence[Tally]) -> bool:
    """Return whether anything was lost or unexpected."""
    return any(tally.incidents for tally in tallies)
