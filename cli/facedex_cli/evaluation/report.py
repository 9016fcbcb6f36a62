"""Output of an evaluation as tables and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from facedex.printing import counted, printable
from facedex_cli.consoles import console
from facedex_cli.evaluation import metrics
from facedex_cli.evaluation.evaluating import Evaluation
from facedex_cli.evaluation.groups import AtThreshold, GroupRates
from facedex_cli.evaluation.identification import Identification
from facedex_cli.evaluation.metrics import Rate
from facedex_cli.evaluation.photos import Photo

METHOD = (
    f"95 % intervals: bootstrap over people, {metrics.ROUNDS} samples; without errors, 3 divided "
    "by the number of people. A dash: too few comparisons."
)


@dataclass(frozen=True)
class Report:
    """The results of one pack on one set of photos."""

    model: str
    result: Evaluation
    failures: Mapping[Photo, str]  # photos without a face that could be enrolled
    groups: tuple[GroupRates, ...] = ()
    identification: Identification | None = None
    strangers_failures: Mapping[Photo, str] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Return the report as a JSON document."""
        result, search = self.result, self.identification
        return {
            "model": self.model,
            "photos": result.photos,
            "people": result.people,
            "failuresToEnrol": _reasons(self.failures),
            "comparisons": {
                "samePerson": int(result.comparisons.same.sum()),
                "differentPeople": int((~result.comparisons.same).sum()),
            },
            "falseNonMatchRateAtFalseMatchRate": [
                {"falseMatchRate": rate, "falseNonMatchRate": _values(found)}
                for rate, found in result.non_match_at.items()
            ],
            "atSimilarity": [
                {
                    "similarity": at.similarity,
                    "falseMatchRate": _values(at.false_match),
                    "falseNonMatchRate": _values(at.false_non_match),
                    "falsePositiveIdentificationRate": _values(at.false_positive_identification),
                }
                for at in result.at_similarities
            ],
            "rankOneIdentificationRate": _values(result.rank_one),
            "galleryPeople": result.gallery,
            "groups": [_group(group) for group in self.groups],
            "openSetIdentification": (
                _identification(search, self.strangers_failures) if search else None
            ),
            "method": METHOD,
        }

    def print_tables(self) -> None:
        """Print the report as tables."""
        out = console()
        result = self.result
        same = int(result.comparisons.same.sum())
        different = int(result.comparisons.same.size) - same
        out.print(
            f"{self.model}: {_photos(result.photos, result.people)}, {result.not_enrolled:,} "
            f"without a face that could be enrolled; {counted(same, 'comparison')} of the same "
            f"person, {different:,} of different people."
        )
        _print_failures(out, self.failures)
        table = Table("False match rate", "False non-match rate", "95 % interval")
        for rate, found in result.non_match_at.items():
            table.add_row(f"{rate:g}", *_cells(found))
        out.print(table)
        if result.at_similarities:
            table = Table(
                "Similarity", "False matches", "False non-matches", "False positive searches"
            )
            for at in result.at_similarities:
                rates = at.false_match, at.false_non_match, at.false_positive_identification
                table.add_row(f"{at.similarity:g}", *map(_cell, rates))
            out.print(table)
        if result.rank_one:
            out.print(
                f"Best match correct, among {result.gallery} people with a photo each: "
                f"{_cell(result.rank_one)}"
            )
        if self.groups:
            _print_groups(out, self.groups)
        if self.identification:
            _print_identification(out, self.identification)
            _print_failures(out, self.strangers_failures)
        out.print(METHOD)


def _print_failures(console: Console, failures: Mapping[Photo, str]) -> None:
    for path, reason in list(failures.items())[:10]:
        line = escape(printable(f"{path}: {reason}"))
        console.print(f"  {line}", style="yellow", highlight=False)
    if len(failures) > 10:
        console.print(f"  and {len(failures) - 10} more", style="yellow")


def _print_groups(console: Console, groups: Sequence[GroupRates]) -> None:
    for group in groups:
        console.print(
            f"Group {escape(printable(group.name))}: {_photos(group.photos, group.people)}, "
            f"{group.not_enrolled:,} without a face that could be enrolled; "
            f"{counted(group.same_person, 'comparison')} of the same person, "
            f"{group.different_people:,} of different people of the group."
        )
        table = Table("Threshold", "False matches in the group", "False non-matches")
        for similarity, at in group.at_similarities.items():
            table.add_row(f"Similarity {similarity:g}", *_cells_at(at))
        for rate, found in group.at_false_match_rates.items():
            table.add_row(f"false match rate {rate:g} of all people", *_cells_at(found))
        console.print(table)


def _photos(photos: int, people: int) -> str:
    return f"{counted(photos, 'photo')} of {counted(people, 'person', 'people')}"


def _cells_at(at: AtThreshold | None) -> tuple[str, str]:
    return (_cell(at.false_match), _cell(at.false_non_match)) if at else ("-", "-")


def _print_identification(console: Console, search: Identification) -> None:
    console.print(
        "Open-set identification: "
        f"{counted(search.people + search.strangers, 'person', 'people')} enrolled, "
        f"{search.strangers:,} of them strangers; "
        f"{counted(search.mated, 'search', 'searches')} of people who are "
        f"enrolled, {search.non_mated:,} of strangers who are not."
    )
    console.print(f"Best match correct, among all enrolled people: {_cell(search.rank_one)}")
    table = Table("Threshold", "False positive searches", "Missed searches")
    for rate, missed in search.false_negative_at.items():
        table.add_row(f"false positive rate {rate:g}", f"{100 * rate:g} %", _cell(missed))
    for at in search.at_similarities:
        rates = at.false_positive, at.false_negative
        table.add_row(f"Similarity {at.similarity:g}", *map(_cell, rates))
    console.print(table)


def _group(group: GroupRates) -> dict[str, Any]:
    return {
        "group": group.name,
        "people": group.people,
        "photos": group.photos,
        "photosNotEnrolled": group.not_enrolled,
        "comparisons": {
            "samePerson": group.same_person,
            "differentPeople": group.different_people,
        },
        "atSimilarity": [
            {"similarity": similarity} | _at(at) for similarity, at in group.at_similarities.items()
        ],
        "atFalseMatchRateOfAll": [
            {"falseMatchRateOfAll": rate} | _at(at)
            for rate, at in group.at_false_match_rates.items()
        ],
    }


def _at(at: AtThreshold | None) -> dict[str, Any]:
    return {
        "falseMatchRate": _values(at.false_match if at else None),
        "falseNonMatchRate": _values(at.false_non_match if at else None),
    }


def _identification(search: Identification, failures: Mapping[Photo, str]) -> dict[str, Any]:
    return {
        "galleryPeople": search.people,
        "galleryStrangers": search.strangers,
        "failuresToEnrol": _reasons(failures),
        "matedSearches": search.mated,
        "nonMatedSearches": search.non_mated,
        "rankOneIdentificationRate": _values(search.rank_one),
        "falseNegativeIdentificationRateAtFalsePositiveIdentificationRate": [
            {
                "falsePositiveIdentificationRate": rate,
                "falseNegativeIdentificationRate": _values(missed),
            }
            for rate, missed in search.false_negative_at.items()
        ],
        "atSimilarity": [
            {
                "similarity": at.similarity,
                "falsePositiveIdentificationRate": _values(at.false_positive),
                "falseNegativeIdentificationRate": _values(at.false_negative),
            }
            for at in search.at_similarities
        ],
    }


def _reasons(failures: Mapping[Photo, str]) -> dict[str, str]:
    return {str(path): reason for path, reason in failures.items()}


def _cells(rate: Rate | None) -> tuple[str, str]:
    if rate is None:
        return "-", ""
    return f"{100 * rate.value:.3g} %", f"({100 * rate.low:.3g} - {100 * rate.high:.3g} %)"


def _cell(rate: Rate | None) -> str:
    return " ".join(_cells(rate)).strip()


def _values(rate: Rate | None) -> dict[str, Any] | None:
    return asdict(rate) if rate else None
