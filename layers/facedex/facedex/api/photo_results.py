"""The result of one photo of many: of `facedex import` and of a bulk execution."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Final


class Result(StrEnum):
    """The result of a photo."""

    INDEXED = "indexed"
    NO_FACE = "no face found"
    UNFIT = "no face good enough"
    NOT_AN_IMAGE = "not an image"
    DAMAGED = "damaged"
    TOO_LARGE = "too large"
    FAILED = "failed"
    # Only of a bulk execution: by its name, or because it does not exist any more; and not reached
    # before the execution ended.
    EXCLUDED = "excluded"
    NOT_STARTED = "not started"


# IndexFaces has responded, so these photos need not be repeated.
ACKNOWLEDGED: Final = frozenset({Result.INDEXED, Result.NO_FACE, Result.UNFIT})
# These need the user's attention.
FAILURES: Final = frozenset({Result.DAMAGED, Result.TOO_LARGE, Result.FAILED})

# Results of errors that concern the photo, by their codes.
REFUSED: Final = {
    "InvalidImageFormatException": Result.DAMAGED,
    "ImageTooLargeException": Result.TOO_LARGE,
}


def result_of(faces: int, unindexed: Iterable[Sequence[str]]) -> tuple[Result, dict[str, int]]:
    """Return the result of a photo that was searched for faces.

    Args:
        faces: number of faces that were indexed.
        unindexed: the reasons of each face that was not.

    Returns:
        The result, and the number of faces that were not indexed by reason.
    """
    others = list(unindexed)
    reasons = dict(Counter(reason for each in others for reason in each))
    if faces:
        return Result.INDEXED, reasons
    return (Result.UNFIT if others else Result.NO_FACE), reasons
