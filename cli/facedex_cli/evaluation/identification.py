"""Open-set identification (ISO/IEC 19795-1): searches for people, some of whom are not enrolled.

The gallery consists of each person's first photo and of photos of strangers. Mated searches use
each person's other photos. Non-mated searches use photos of other strangers, who are not enrolled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facedex_cli.evaluation import metrics
from facedex_cli.evaluation.evaluation_errors import EvaluationError
from facedex_cli.evaluation.metrics import Doubles, Rate
from facedex_cli.evaluation.photos import Photo
from facedex_cli.evaluation.sets import PhotoSet

FALSE_POSITIVE_RATES = (1e-2, 1e-3)


@dataclass(frozen=True)
class Strangers:
    """Photos of people who are not in the photo set, one for each person."""

    enrolled: tuple[Photo, ...]
    searched: tuple[Photo, ...]


@dataclass(frozen=True)
class AtSimilarity:
    """Error rates at a threshold."""

    similarity: float
    false_positive: Rate | None  # non-mated searches with a match
    false_negative: Rate | None  # mated searches whose best match is wrong or below the threshold


@dataclass(frozen=True)
class Identification:
    """The error rates of searches in a gallery that does not contain every searched person."""

    people: int  # in the gallery
    strangers: int  # also in the gallery
    mated: int  # searches
    non_mated: int
    rank_one: Rate | None
    false_negative_at: dict[float, Rate | None]  # by false positive identification rate
    at_similarities: tuple[AtSimilarity, ...]


def split(found: Sequence[Photo], enrolled: int | None) -> Strangers:
    """Split strangers: the first, third, fifth, … are enrolled, and the others are searched.

    The searched strangers do not depend on `enrolled`, so that galleries of different sizes can be
    compared.

    Args:
        found: photos of strangers.
        enrolled: maximum number of strangers to enrol; None for no limit.

    Raises:
        EvaluationError: if there are too few photos.
    """
    limit = (len(found) + 1) // 2
    if len(found) < 2:
        raise EvaluationError(
            f"Photos of strangers: {len(found)}; two or more are needed, one to enrol and one to "
            "search."
        )
    if enrolled is not None and enrolled > limit:
        raise EvaluationError(
            f"Every second one of {len(found)} strangers is searched, so at most {limit} can be "
            f"enrolled, not {enrolled}."
        )
    return Strangers(tuple(found[::2][:enrolled]), tuple(found[1::2]))


def require_folders(photo_set: PhotoSet) -> None:
    """Check that a photo set is not a pairs file.

    Raises:
        EvaluationError: if it is.
    """
    if photo_set.pairs is not None:
        raise EvaluationError(
            "--strangers needs a folder per person; a pairs file does not specify which of its "
            "photos are of different people."
        )


def evaluate(
    vectors: NDArray[np.float32],
    people: NDArray[np.intp],
    enrolled: NDArray[np.float32],
    searched: NDArray[np.float32],
    thresholds: Sequence[tuple[float, float]],
) -> Identification:
    """Search for each person's photos except the first, and for the photos of strangers.

    Args:
        vectors: (n, d) of the people's photos.
        people: (n,) the person of each photo.
        enrolled: (m, d) of strangers in the gallery.
        searched: (k, d) of strangers that are searched.
        thresholds: similarities and the corresponding cosines.

    Raises:
        EvaluationError: if there are no mated or no non-mated searches.
    """
    own, others, owners = metrics.identify(vectors, people)
    if not len(own) or not len(searched):
        subject = "a stranger to search" if len(own) else "a person who has another one enrolled"
        raise EvaluationError(f"There is no photo with a face of {subject}.")
    _, first = np.unique(people, return_index=True)
    probes = np.setdiff1d(np.arange(len(people)), first)
    others = np.maximum(others, _best(vectors[probes], enrolled))
    found = np.where(own > others, own, -np.inf)
    alarms = _best(searched, np.concatenate([vectors[first], enrolled]))
    return Identification(
        people=len(first),
        strangers=len(enrolled),
        mated=len(own),
        non_mated=len(alarms),
        rank_one=metrics.share_of(own > others, owners),
        false_negative_at={
            rate: metrics.missed_at(found, owners, alarms, rate) for rate in FALSE_POSITIVE_RATES
        },
        at_similarities=tuple(
            AtSimilarity(
                similarity,
                metrics.share_of(alarms >= lowest, np.arange(len(alarms))),
                metrics.share_of(found < lowest, owners),
            )
            for similarity, lowest in thresholds
        ),
    )


def _best(probes: NDArray[np.float32], gallery: NDArray[np.float32]) -> Doubles:
    """Return each probe's highest score in a gallery, which may be empty."""
    if not len(gallery):
        return np.full(len(probes), -np.inf)
    return np.asarray((probes @ gallery.T).max(axis=1), dtype=np.float64)
