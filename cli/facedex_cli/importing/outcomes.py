"""What became of each photo, counted and written down."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self


class Result(StrEnum):
    """What became of a photo."""

    INDEXED = "indexed"
    NO_FACE = "no face found"
    UNFIT = "no face good enough"
    NOT_AN_IMAGE = "not an image"
    DAMAGED = "damaged"
    TOO_LARGE = "too large"
    FAILED = "failed"


# IndexFaces has answered: there is nothing to do again.
ACKNOWLEDGED: Final = frozenset({Result.INDEXED, Result.NO_FACE, Result.UNFIT})
# A person should look at these; in the others everything is as it should be.
FAILURES: Final = frozenset({Result.DAMAGED, Result.TOO_LARGE, Result.FAILED})
_NAMED: Final = 10  # of these, in the terminal; a report has all


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one photo.

    Attributes:
        place: its path or ``s3://`` address.
        result: what became of it.
        external_image_id: under which it was sent, empty if it was not.
        faces: how many were indexed.
        reasons: why others were not, in Rekognition's words, with how many each.
        message: of the error.
        smaller: whether it was reduced to fit into a request.
        earlier: whether an earlier run did it.
    """

    place: str
    result: Result
    external_image_id: str = ""
    faces: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    message: str = ""
    smaller: bool = False
    earlier: bool = False


def of_answer(answer: Mapping[str, Any]) -> tuple[Result, int, dict[str, int]]:
    """Result, faces and reasons in an answer of IndexFaces."""
    faces = len(answer["FaceRecords"])
    unindexed = answer["UnindexedFaces"]
    reasons = Counter(reason for each in unindexed for reason in each["Reasons"])
    if faces:
        return Result.INDEXED, faces, dict(reasons)
    return (Result.UNFIT if unindexed else Result.NO_FACE), 0, dict(reasons)


class Tally:
    """Counts of outcomes.

    Attributes:
        now, earlier: photos by result, of this run and of those before.
        reasons: faces that were not indexed, by reason.
        faces: indexed in this run.
        smaller: photos that were reduced to fit into a request.
        failures: the first of those that a person should look at.
    """

    def __init__(self) -> None:
        self.failures: list[Outcome] = []
        self.now: Counter[Result] = Counter()
        self.earlier: Counter[Result] = Counter()
        self.reasons: Counter[str] = Counter()
        self.faces = 0
        self.smaller = 0

    def add(self, outcome: Outcome) -> None:
        """Count an outcome."""
        (self.earlier if outcome.earlier else self.now)[outcome.result] += 1
        self.reasons.update(outcome.reasons)
        self.smaller += outcome.smaller
        if outcome.result in FAILURES and len(self.failures) < _NAMED:
            self.failures.append(outcome)
        if not outcome.earlier:
            self.faces += outcome.faces

    @property
    def failed(self) -> bool:
        """Whether a person should look at something."""
        return any(self.now[result] for result in FAILURES)


class Report:
    """A CSV file with a row for each photo."""

    COLUMNS: Final = (
        "photo",
        "result",
        "faces",
        "external_image_id",
        "not_indexed",
        "message",
        "sent_smaller",
        "earlier_run",
    )

    def __init__(self, path: Path) -> None:
        """Begin the file, in place of one that is there.

        Raises:
            OSError: it cannot be written.
        """
        # Names that are no UTF-8 are written as the bytes that they are.
        self._file = path.open("w", encoding="utf-8", errors="surrogateescape", newline="")
        self._rows = csv.writer(self._file)
        self._rows.writerow(self.COLUMNS)

    def add(self, outcome: Outcome) -> None:
        """Write an outcome."""
        self._rows.writerow(
            (
                outcome.place,
                outcome.result,
                outcome.faces,
                outcome.external_image_id,
                " ".join(f"{name}:{count}" for name, count in sorted(outcome.reasons.items())),
                outcome.message,
                "yes" if outcome.smaller else "",
                "yes" if outcome.earlier else "",
            )
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._file.close()
