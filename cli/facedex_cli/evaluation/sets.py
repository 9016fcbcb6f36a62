"""Photos of known people: a folder per person, or a file of pairs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facedex.api.naming import is_excluded
from facedex_cli.evaluation import photos, tables
from facedex_cli.evaluation.evaluation_errors import EvaluationError

# The names of the columns in pairs files: deepface's and simpler ones.
ONE, OTHER = ("file_x", "one", "a"), ("file_y", "other", "b")
SAME = ("decision", "same", "label")
YES, NO = {"yes", "true", "1", "same"}, {"no", "false", "0", "different"}


@dataclass(frozen=True)
class PhotoSet:
    """Photos, their people, and the pairs to compare."""

    photos: tuple[Path, ...]
    people: NDArray[np.intp]  # (n,) 0..people - 1
    pairs: NDArray[np.intp] | None  # (m, 2) indices of photos; None to compare all pairs
    # (n,) name of each photo's person: the folder, or the photo if there is no folder
    names: tuple[str, ...]


def read(path: Path) -> PhotoSet:
    """Read a folder per person or a pairs file.

    Raises:
        EvaluationError: if the folder or the file cannot be evaluated.
    """
    return folder_per_person(path) if path.is_dir() else pairs_file(path)


def folder_per_person(folder: Path) -> PhotoSet:
    """Read the photos of each subfolder as one person; a photo outside them is a person too.

    Hidden files and folders, and system folders, are left out.

    Raises:
        EvaluationError: if there are fewer than two people.
    """
    files: list[Path] = []
    people: list[int] = []
    names: list[str] = []
    entries = sorted(
        entry for entry in folder.iterdir() if not is_excluded(entry.name, folder=entry.is_dir())
    )
    for person, entry in enumerate(entries):
        found = photos.below(entry) if entry.is_dir() else [entry] * photos.is_photo(entry)
        files += found
        people += [person] * len(found)
        names += [entry.name] * len(found)
    if len(set(people)) < 2:
        found_here = "photos of one person only" if people else "no photos"
        raise EvaluationError(
            f"{folder} has {found_here}; a folder for each of two or more people is needed."
        )
    return PhotoSet(tuple(files), _numbered(people), None, tuple(names))


def pairs_file(path: Path) -> PhotoSet:
    """Read the pairs of a CSV file with a heading; its paths are relative to the file.

    Columns: file_x, file_y, Decision (Yes or No); or one, other, same (1 or 0, true or false).

    Raises:
        EvaluationError: if the file cannot be read, is malformed or contradicts itself, or names
            a photo that does not exist.
    """
    rows, names = tables.read(path)
    columns = [next((names[n] for n in known if n in names), None) for known in (ONE, OTHER, SAME)]
    if None in columns:
        raise EvaluationError(
            f"{path} needs a heading with the columns file_x, file_y, Decision (Yes or No), or "
            "one, other, same (1 or 0)."
        )
    numbers: dict[str, int] = {}
    pairs, same = [], []
    for line, row in rows:
        one, other, decision = ((row[str(column)] or "").strip() for column in columns)
        if decision.lower() not in YES | NO or not one or not other:
            raise EvaluationError(f"{path}, line {line}: two photos and Yes or No are needed.")
        pairs.append([numbers.setdefault(name, len(numbers)) for name in (one, other)])
        same.append(decision.lower() in YES)
    files = tuple(path.parent / name for name in numbers)
    if missing := [file for file in files if not file.is_file()]:
        raise EvaluationError(f"{path} names {missing[0]}, which does not exist.")
    indices = np.array(pairs, dtype=np.intp)
    people = _joined(len(files), indices[np.array(same)])
    different = indices[~np.array(same)]
    if (wrong := people[different[:, 0]] == people[different[:, 1]]).any():
        one, other = (files[index].name for index in different[wrong][0])
        raise EvaluationError(
            f"{path} contradicts itself: {one} and {other} are different people in one pair, and "
            "the same person according to other pairs."
        )
    return PhotoSet(files, people, indices, tuple(numbers))


def _joined(count: int, same: NDArray[np.intp]) -> NDArray[np.intp]:
    """Number the people; photos that are linked by pairs show the same person."""
    person = list(range(count))

    def root(photo: int) -> int:
        while person[photo] != photo:
            photo = person[photo]
        return photo

    for one, other in same.tolist():
        person[root(one)] = root(other)
    return _numbered(root(photo) for photo in range(count))


def _numbered(labels: Iterable[int]) -> NDArray[np.intp]:
    return np.asarray(np.unique(list(labels), return_inverse=True)[1], dtype=np.intp)
