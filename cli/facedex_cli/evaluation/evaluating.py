"""Computation of error rates from photos and their vectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facedex.vision.calibration import Calibration
from facedex_cli.evaluation import metrics
from facedex_cli.evaluation.enrolment import Enrolment
from facedex_cli.evaluation.evaluation_errors import EvaluationError
from facedex_cli.evaluation.metrics import Comparisons, Rate
from facedex_cli.evaluation.sets import PhotoSet

FALSE_MATCH_RATES = (1e-2, 1e-3, 1e-4, 1e-5)
SIMILARITIES = (80.0, 90.0, 99.0)


@dataclass(frozen=True)
class AtSimilarity:
    """Error rates at a threshold; None if they cannot be measured on the photos."""

    similarity: float
    false_match: Rate | None
    false_non_match: Rate | None
    false_positive_identification: Rate | None


@dataclass(frozen=True)
class Evaluation:
    """The error rates of a pack on one set of photos."""

    photos: int
    people: int
    not_enrolled: int
    comparisons: Comparisons
    non_match_at: dict[float, Rate | None]  # false match rate -> false non-match rate
    at_similarities: tuple[AtSimilarity, ...]
    rank_one: Rate | None  # share of probes whose best match is the right person
    gallery: int  # number of people among whom the probes were searched


def thresholds(calibration: Calibration | None) -> list[tuple[float, float]]:
    """Return the similarities at which rates are reported, and the corresponding cosines."""
    if calibration is None:
        return []
    return [(similarity, calibration.cosine(similarity)) for similarity in SIMILARITIES]


def evaluate(
    photo_set: PhotoSet, enrolment: Enrolment, calibration: Calibration | None
) -> Evaluation:
    """Compare the enrolled photos.

    For identification, the gallery consists of each person's first photo, and all other photos are
    searched in it. For false positives, the person's own photo is excluded from the gallery. A
    pairs file has no gallery.

    Args:
        photo_set: the photos.
        enrolment: their vectors.
        calibration: the pack's calibration; without one, there are no rates at similarities.

    Raises:
        EvaluationError: if there are no comparisons of one of the two kinds.
    """
    people = photo_set.people[enrolment.taken]
    comparisons = _compare(photo_set, enrolment)
    if not (comparisons.same.any() and (~comparisons.same).any()):
        raise EvaluationError(
            "There are no two photos with faces of the same person, or none of different people, "
            "to compare; check the folder per person or the pairs."
        )
    rank_one, gallery = None, 0
    others: NDArray[np.float64] = np.empty(0)
    owners: NDArray[np.intp] = np.empty(0, np.intp)
    if photo_set.pairs is None:
        own, others, owners = metrics.identify(enrolment.vectors, people)
        rank_one, gallery = metrics.share_of(own > others, owners), len(np.unique(people))
    return Evaluation(
        photos=len(photo_set.photos),
        people=len(np.unique(photo_set.people)),
        not_enrolled=len(enrolment.failures),
        comparisons=comparisons,
        non_match_at={rate: metrics.non_match_at(comparisons, rate) for rate in FALSE_MATCH_RATES},
        at_similarities=tuple(
            AtSimilarity(
                similarity,
                metrics.match_rate(comparisons, lowest),
                metrics.non_match_rate(comparisons, lowest),
                metrics.share_of(others >= lowest, owners),
            )
            for similarity, lowest in thresholds(calibration)
        ),
        rank_one=rank_one,
        gallery=gallery,
    )


def _compare(photo_set: PhotoSet, enrolment: Enrolment) -> Comparisons:
    if photo_set.pairs is None:
        one, other = np.triu_indices(len(enrolment.taken), 1)
    else:
        place = np.full(len(photo_set.photos), -1)
        place[enrolment.taken] = np.arange(len(enrolment.taken))
        pairs = place[photo_set.pairs]
        one, other = pairs[(pairs >= 0).all(axis=1)].T
    people = photo_set.people[enrolment.taken]
    scores = metrics.products(enrolment.vectors, one, other)
    return Comparisons(scores, people[one], people[other])
