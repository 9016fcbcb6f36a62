"""Error rates of groups of people that the user defines."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facedex_cli.evaluation import metrics, tables
from facedex_cli.evaluation.enrolment import Enrolment
from facedex_cli.evaluation.evaluation_errors import EvaluationError
from facedex_cli.evaluation.metrics import Comparisons, Rate
from facedex_cli.evaluation.sets import PhotoSet

FALSE_MATCH_RATES = (1e-2, 1e-3)  # of all people; each yields one threshold for all groups
NO_GROUP = "(no group)"


@dataclass(frozen=True)
class Groups:
    """The group of each person; the last group has the people that the file does not name."""

    names: tuple[str, ...]
    of_person: NDArray[np.intp]  # (people,) indices of names


@dataclass(frozen=True)
class AtThreshold:
    """A group's error rates at a threshold; None if they cannot be measured on its photos."""

    false_match: Rate | None  # among different people of the group
    false_non_match: Rate | None


@dataclass(frozen=True)
class GroupRates:
    """The error rates of a pack on the people of one group."""

    name: str
    people: int
    photos: int
    not_enrolled: int
    same_person: int  # comparisons
    different_people: int
    at_similarities: dict[float, AtThreshold]
    at_false_match_rates: dict[float, AtThreshold | None]  # of all people; None if too few


def read(path: Path, photo_set: PhotoSet) -> Groups:
    """Return the groups of a CSV file with the columns person and group.

    Args:
        path: the CSV file.
        photo_set: the photos of the people.

    Raises:
        EvaluationError: if the file cannot be read, names a person without photos, or puts a
            person into two groups.
    """
    rows, names = tables.read(path)
    if "person" not in names or "group" not in names:
        raise EvaluationError(
            f"{path} needs a heading with the columns person and group, and a line for each person."
        )
    names_of_people = map(_composed, photo_set.names)
    numbers = dict(zip(names_of_people, photo_set.people.tolist(), strict=True))
    found: dict[int, str] = {}
    for line, row in rows:
        person, group = (
            _composed(row[names[column]] or "").strip() for column in ("person", "group")
        )
        if not person or not group:
            raise EvaluationError(f"{path}, line {line}: a person and a group are needed.")
        if person not in numbers:
            raise EvaluationError(
                f"{path}, line {line} names the person {person}, who has no photo."
            )
        if found.setdefault(numbers[person], group) != group:
            raise EvaluationError(
                f"{path}, line {line} puts {person} into the group {group}, an earlier line into "
                f"{found[numbers[person]]}; a person is in one group."
            )
    people = len(np.unique(photo_set.people))
    ordered = sorted(set(found.values()) - {NO_GROUP})
    places = {name: place for place, name in enumerate([*ordered, NO_GROUP])}
    of_person = [places[found.get(person, NO_GROUP)] for person in range(people)]
    return Groups(tuple(places), np.array(of_person, dtype=np.intp))


def _composed(name: str) -> str:
    """Return a name with accents in their letters: some systems write them apart."""
    return unicodedata.normalize("NFC", name)


def evaluate(
    groups: Groups,
    photo_set: PhotoSet,
    enrolment: Enrolment,
    comparisons: Comparisons,
    thresholds: Sequence[tuple[float, float]],
) -> tuple[GroupRates, ...]:
    """Return the rates of each group that has people.

    Args:
        groups: the groups.
        photo_set: the photos.
        enrolment: their vectors.
        comparisons: the comparisons of all photos.
        thresholds: similarities and the corresponding cosines.
    """
    of_photo = groups.of_person[photo_set.people]
    enrolled = of_photo[enrolment.taken]
    overall = {rate: metrics.threshold_at(comparisons.impostor, rate) for rate in FALSE_MATCH_RATES}
    found = []
    for number, name in enumerate(groups.names):
        photos = int((of_photo == number).sum())
        if not photos:
            continue
        inside = (groups.of_person[comparisons.one] == number) & (
            groups.of_person[comparisons.other] == number
        )
        own = Comparisons(
            comparisons.scores[inside], comparisons.one[inside], comparisons.other[inside]
        )
        found.append(
            GroupRates(
                name=name,
                people=int((groups.of_person == number).sum()),
                photos=photos,
                not_enrolled=photos - int((enrolled == number).sum()),
                same_person=int(own.same.sum()),
                different_people=int((~own.same).sum()),
                at_similarities={similarity: _at(own, lowest) for similarity, lowest in thresholds},
                at_false_match_rates={
                    # Scores above the threshold are accepted; the next float is the lowest.
                    rate: None if above is None else _at(own, float(np.nextafter(above, np.inf)))
                    for rate, above in overall.items()
                },
            )
        )
    return tuple(found)


def _at(comparisons: Comparisons, lowest: float) -> AtThreshold:
    return AtThreshold(
        metrics.match_rate(comparisons, lowest), metrics.non_match_rate(comparisons, lowest)
    )
