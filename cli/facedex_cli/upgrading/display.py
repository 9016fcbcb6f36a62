"""Output of collections and upgrades to the terminal."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, TextIO

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from facedex.printing import printable
from facedex.store.upgrades import Overview
from facedex.vision import numbers
from facedex_cli.consoles import console
from facedex_cli.upgrading.upgrade import Missing, Outcome

_NAMED: Final = 10  # maximum number of faces listed on the terminal; a report lists all


def print_collections(
    found: Sequence[Overview], default: tuple[str, str], installed: Mapping[str, str]
) -> None:
    """Print the collections, and whether they use the default model.

    Args:
        found: the collections.
        default: the default pack and its FaceModelVersion.
        installed: the FaceModelVersion of each installed pack, by name.
    """
    table = Table(Column("Collection", overflow="fold"), title_justify="left")
    for name in ("Faces", "Users"):
        table.add_column(name, justify="right")
    for name in ("Model", "Pack", "State"):
        table.add_column(name, overflow="fold")
    for each in found:
        model = each.collection.model_version
        table.add_row(
            escape(each.collection.collection_id),
            f"{each.faces:,}",
            f"{each.users:,}",
            model,
            pack_name(model, installed) or "unknown",
            _state(each, default, installed),
        )
    console().print(table)


def print_lines(
    found: Sequence[Overview], default: tuple[str, str], installed: Mapping[str, str]
) -> None:
    """Print each collection as a line of JSON; for the arguments, see `print_collections`."""
    for each in found:
        collection = each.collection
        model, new = collection.model_version, collection.upgrading_to
        line = {
            "CollectionId": collection.collection_id,
            "FaceCount": each.faces,
            "UserCount": each.users,
            "FaceModelVersion": model,
            "Pack": pack_name(model, installed),
            "Outdated": model != default[1],
            "Installed": model in installed.values(),
            "Upgrade": {"FaceModelVersion": new, "FaceCount": each.upgraded} if new else None,
        }
        print(json.dumps(line))


def print_elsewhere(counts: Mapping[str, int], file: TextIO) -> None:
    """Print a note about collections of other regions, if there are any.

    Args:
        counts: number of collections of each other region.
        file: standard output or standard error.
    """
    if counts:
        places = ", ".join(f"{region} ({count})" for region, count in counts.items())
        print(f"Collections of other regions: {places}; list them with --region.", file=file)


def pack_name(model_version: str, installed: Mapping[str, str]) -> str | None:
    """Return the name of the pack with a FaceModelVersion, or None if it is unknown.

    Args:
        model_version: the FaceModelVersion.
        installed: the FaceModelVersion of each installed pack, by name.
    """
    names = (name for name, version in installed.items() if version == model_version)
    return next(names, None) or numbers.name(model_version)


def _state(each: Overview, default: tuple[str, str], installed: Mapping[str, str]) -> str:
    model = each.collection.model_version
    name, version = default
    words = ["up to date" if model == version else f"outdated: {name} is {version}"]
    if model not in installed.values():
        words.append("its pack is not installed")
    if each.collection.upgrading_to:
        words.append(
            f"upgrade to {each.collection.upgrading_to}: {each.upgraded:,} of {each.faces:,} faces"
        )
    return "; ".join(words)


def print_missing(outcome: Outcome) -> None:
    """Print the number of faces without a new vector, the reasons, and the first such faces."""
    out = console(stderr=True)
    for place, message in outcome.unreadable[:_NAMED]:
        _print(out, f"cannot be read: {place} ({message})")
    if len(outcome.unreadable) > _NAMED:
        _print(out, f"...and {len(outcome.unreadable) - _NAMED:,} more.")
    if not outcome.missing:
        return
    table = Table("Faces without a new vector", Column("", justify="right"))
    for reason, count in Counter(each.reason for each in outcome.missing).most_common():
        table.add_row(escape(printable(reason)), f"{count:,}")
    out.print(table)
    for each in outcome.missing[:_NAMED]:
        face = each.face
        name = face.external_image_id or ""
        _print(out, f"{face.face_id} {name} (image {face.image_id}): {each.reason}")
    if len(outcome.missing) > _NAMED:
        more = len(outcome.missing) - _NAMED
        _print(out, f"...and {more:,} more: --report FILE.csv lists every one.")


def write_report(path: Path, missing: Sequence[Missing]) -> None:
    """Write the faces without a new vector, with the reasons, as CSV.

    Raises:
        OSError: if the file cannot be written.
    """
    with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("FaceId", "ImageId", "ExternalImageId", "reason"))
        for each in missing:
            face = each.face
            rows.writerow((face.face_id, face.image_id, face.external_image_id, each.reason))


def _print(out: Console, line: str) -> None:
    out.print(printable(line), markup=False, highlight=False, soft_wrap=True)
