"""Photos whose people are known: a folder per person, or a file of pairs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facedex_cli.evaluation import photos, tables
from facedex_cli.evaluation.evaluation_errors import EvaluationError

# The names that pairs files give their columns: deepface's, and plain ones.
ONE, OTHER = ("file_x", "one", "a"), ("file_y", "other", "b")
SAME = ("decision", "same", "label")
YES, NO = {"yes", "true", "1", "same"}, {"no", "false", "0", "different"}


@dataclass(frozen=True)
class PhotoSet:
    """Photos, whose they are, and which of them are to be compared."""

    photos: tuple[Path, ...]
    people: NDArray[np.intp]  # (n,) 0..people - 1
    pairs: NDArray[np.intp] | None  # (m, 2) indices of photos; None: all with all
    # (n,) what the user calls each photo's person: the folder, or the photo where there is none
    names: tuple[str, ...]


def read(path: Path) -> PhotoSet:
    """Return what a folder or a pairs file describes; raise EvaluationError where it cannot."""
    return folder_per_person(path) if path.is_dir() else pairs_file(path)


def folder_per_person(folder: Path) -> PhotoSet:
    """Return the photos of each folder as one person's; a photo beside the folders is a person."""
    files: list[Path] = []
    people: list[int] = []
    names: list[str] = []
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    for person, entry in enumerate(entries):
        found = photos.below(entry) if entry.is_dir() else [entry] * photos.is_photo(entry)
        files += found
        people += [person] * len(found)
        names += [entry.name] * len(found)
    if len(set(people)) < 2:
        raise EvaluationError(
            f"{folder} has photos of {len(set(people))} people; an evaluation needs a folder for "
            "each of two or more people."
        )
    return PhotoSet(tuple(files), _numbered(people), None, tuple(names))


def pairs_file(path: Path) -> PhotoSet:
    """Return the pairs of a CSV file with a heading; paths in it are relative to the file.

    Columns: file_x, file_y, Decision (Yes or No); or one, other, same (1 or 0, true or false).
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
    for line, row in enumerate(rows, start=2):
        one, other, decision = ((row[str(column)] or "").strip() for column in columns)
        if decision.lower() not in YES | NO or not one or not other:
            raise EvaluationError(f"{path}, line {line}: two photos and Yes or No are needed.")
        pairs.append([numbers.setdefault(name, len(numbers)) for name in (one, other)])
        same.append(decision.lower() in YES)
    files = tuple(path.parent / name for name in numbers)
    if missing := [file for file in files if not file.is_file()]:
        raise EvaluationError(f"{path} names {missing[0]}, which is not there.")
    indices = np.array(pairs, dtype=np.intp)
    people = _joined(len(files), indices[np.array(same)])
    different = indices[~np.array(same)]
    if (wrong := people[different[:, 0]] == people[different[:, 1]]).any():
        one, other = (files[index].name for index in different[wrong][0])
        raise EvaluationError(
            f"{path} contradicts itself: {one} and {other} are said to be different people, and by "
            "other pairs the same one."
        )
    return PhotoSet(files, people, indices, tuple(numbers))


def _joined(count: int, same: NDArray[np.intp]) -> NDArray[np.intp]:
    """Number the people: photos that pairs link are of one."""
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
