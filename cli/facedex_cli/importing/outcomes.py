"""Outcomes of an import: the result of each photo, their counts, and the CSV report."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from facedex.api.photo_results import FAILURES, Result, result_of
from facedex_cli.importing.import_errors import ImportStopped

_MAX_LISTED: Final = 10  # failures shown in the terminal; the CSV report has all


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one photo.

    Attributes:
        place: its path or ``s3://`` URL.
        result: its result.
        external_image_id: the ExternalImageId that it was sent with, empty if it was not sent.
        faces: number of indexed faces.
        reasons: number of faces that were not indexed, by Rekognition's reason.
        message: the error's message.
        smaller: whether it was reduced in size to fit into a request.
        earlier: whether an earlier run processed it.
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
    """Return the result, the number of faces and the reasons in a response of IndexFaces."""
    faces = len(answer["FaceRecords"])
    result, reasons = result_of(faces, [each["Reasons"] for each in answer["UnindexedFaces"]])
    return result, faces, reasons


class Tally:
    """Counts of outcomes.

    Attributes:
        now, earlier: photos by result, of this run and of earlier ones.
        reasons: faces that were not indexed, by reason.
        faces: number of faces indexed in this run.
        smaller: number of photos of this run that were reduced in size to fit into a request.
        failures: the first outcomes that need the user's attention.
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
        if outcome.result in FAILURES and len(self.failures) < _MAX_LISTED:
            self.failures.append(outcome)
        if not outcome.earlier:
            self.faces += outcome.faces
            self.smaller += outcome.smaller

    @property
    def failed(self) -> bool:
        """True if an outcome of this run needs the user's attention."""
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
        """Create the file, replacing an existing one.

        Raises:
            ImportStopped: if the file cannot be written.
        """
        self._path = path
        with self._writing():
            # Names that are not valid UTF-8 are written as their own bytes.
            self._file = path.open("w", encoding="utf-8", errors="surrogateescape", newline="")
            self._rows = csv.writer(self._file)
            self._rows.writerow(self.COLUMNS)

    def add(self, outcome: Outcome) -> None:
        """Write an outcome.

        Raises:
            ImportStopped: if the disk is full.
        """
        row = (
            outcome.place,
            outcome.result,
            outcome.faces,
            outcome.external_image_id,
            " ".join(f"{name}:{count}" for name, count in sorted(outcome.reasons.items())),
            outcome.message,
            "yes" if outcome.smaller else "",
            "yes" if outcome.earlier else "",
        )
        with self._writing():
            self._rows.writerow(row)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        with self._writing():
            self._file.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            message = f"The report {self._path} cannot be written ({error.strerror})."
            raise ImportStopped(message) from error
