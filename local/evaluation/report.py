"""An evaluation as tables and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from local.evaluation import metrics
from local.evaluation.evaluating import Evaluation
from local.evaluation.metrics import Rate

METHOD = (
    f"95 % intervals: bootstrap over people, {metrics.ROUNDS} draws; where no error was seen, 3 in "
    "the number of people. A dash: too few comparisons to say."
)


def document(result: Evaluation, *, model: str, failures: Mapping[Path, str]) -> dict[str, Any]:
    """Return the evaluation as JSON has it."""
    return {
        "model": model,
        "photos": result.photos,
        "people": result.people,
        "failuresToEnrol": {str(path): reason for path, reason in failures.items()},
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
        "method": METHOD,
    }


def print_tables(result: Evaluation, *, model: str, failures: Mapping[Path, str]) -> None:
    """Print the evaluation for a person."""
    console = Console()
    same = int(result.comparisons.same.sum())
    different = int(result.comparisons.same.size) - same
    console.print(
        f"{model}: {result.photos} photos of {result.people} people, {result.not_enrolled} without "
        f"a face that could be enrolled; {same:,} comparisons of one person, {different:,} of "
        "different people."
    )
    for path, reason in list(failures.items())[:10]:
        console.print(f"  {path}: {reason}", style="yellow", highlight=False)
    if len(failures) > 10:
        console.print(f"  and {len(failures) - 10} more", style="yellow")
    table = Table("False match rate", "False non-match rate", "95 % interval")
    for rate, found in result.non_match_at.items():
        table.add_row(f"{rate:g}", *_cells(found))
    console.print(table)
    if result.at_similarities:
        table = Table("Similarity", "False matches", "False non-matches", "False positive searches")
        for at in result.at_similarities:
            rates = at.false_match, at.false_non_match, at.false_positive_identification
            table.add_row(f"{at.similarity:g}", *(" ".join(_cells(rate)) for rate in rates))
        console.print(table)
    if result.rank_one:
        console.print(
            f"Best match right, among {result.gallery} people with a photo each: "
            f"{' '.join(_cells(result.rank_one))}"
        )
    console.print(METHOD)


def _cells(rate: Rate | None) -> tuple[str, str]:
    if rate is None:
        return "-", ""
    return f"{100 * rate.value:.3g} %", f"({100 * rate.low:.3g} - {100 * rate.high:.3g} %)"


def _values(rate: Rate | None) -> dict[str, Any] | None:
    return asdict(rate) if rate else None
