"""Matching of the faces in a stream, and repeated searches for a face."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facedex.media.tracking import Probe
from facedex.media.watching import Seen
from facedex.store import adding, collections, faces
from facedex.store.database import Database
from facedex.store.jobs import Gallery
from facedex.store.store_errors import CollectionNotFound
from facedex.store.timelines import SimilarFace
from facedex.vision import packs
from facedex.vision.faces import Box, Face, Pose, Quality
from facedex.vision.packs import Pack
from facedex.workflows import matching
from facedex.workflows.matching import LiveMatcher, Matcher

FACE = Face(
    Box(0.1, 0.1, 0.2, 0.2),
    99.0,
    np.zeros((5, 2), np.float32),
    (64, 64),
    Pose(0, 0, 0),
    Quality(50, 50),
)


@pytest.fixture(scope="module")
def pack(pack_directory: Path) -> Pack:
    return packs.load(pack_directory, threads=1)


def unit(number: int) -> Any:
    """Return one of several vectors that are maximally different."""
    vector = np.zeros(128, np.float32)
    vector[number] = 1
    return vector


def seen(track: int, number: int | None, version: int = 1) -> Seen:
    return Seen(FACE, track, None if number is None else Probe(version, unit(number)))


def index(database: Database, pack: Pack, name: str, number: int) -> None:
    with database.transaction() as connection:
        adding.add(
            connection,
            collections.find(connection, "staff", for_update=True),
            adding.NewImage(
                model_version=pack.model_version,
                digest=sha256(name.encode()).digest(),
                external_image_id=name,
                faces=[adding.NewFace((0.1, 0.1, 0.2, 0.2), 99.5, unit(number))],
            ),
        )


@pytest.fixture
def staff(database: Database, pack: Pack) -> LiveMatcher:
    """Return the matcher of a collection of twelve faces."""
    with database.transaction() as connection:
        key = collections.create(connection, "staff", pack.model_version).key
    for number in range(12):
        index(database, pack, f"person-{number}", number)
    return LiveMatcher(Matcher(database, Gallery(key, "staff", 80.0), pack))


def named(found: list[list[SimilarFace]]) -> list[list[str | None]]:
    return [[match.face.external_image_id for match in matches] for matches in found]


def test_each_face_gets_its_own_matches_in_large_batches(staff: LiveMatcher) -> None:
    """Match more faces than fit into one statement, in any order, some without a usable view."""
    found = staff.match([seen(20 + number, number) for number in (3, 11, 0)] + [seen(9, None)])
    assert named(found) == [["person-3"], ["person-11"], ["person-0"], []]
    many = staff.match([seen(40 + number, number % 16) for number in range(32)])
    assert named(many) == [
        [f"person-{number % 16}"] if number % 16 < 12 else [] for number in range(32)
    ]
    assert all(80 <= match.similarity <= 100 for matches in many for match in matches)


def test_face_is_searched_for_again_after_a_better_view_or_some_seconds(
    staff: LiveMatcher, database: Database, pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert named(staff.match([seen(1, 50)])) == [[]]
    index(database, pack, "newcomer", 50)
    assert named(staff.match([seen(1, 50)])) == [[]]
    assert named(staff.match([seen(1, 50, version=2)])) == [["newcomer"]]
    with database.transaction() as connection:
        collection = collections.find(connection, "staff")
        (stored,) = [
            each
            for each in faces.page(connection, collection, after=None, limit=100)
            if each.external_image_id == "newcomer"
        ]
        faces.delete(connection, collection, [stored.face_id])
    assert named(staff.match([seen(1, 50, version=2)])) == [["newcomer"]]
    monkeypatch.setattr(matching, "_MAX_AGE", -1.0)
    assert named(staff.match([seen(1, 50, version=2)])) == [[]]


def test_face_missed_in_one_frame_is_not_searched_for_again(
    staff: LiveMatcher, database: Database, pack: Pack
) -> None:
    assert named(staff.match([seen(1, 50)])) == [[]]
    staff.match([])
    index(database, pack, "newcomer", 50)
    assert named(staff.match([seen(1, 50)])) == [[]]


def test_matches_of_faces_out_of_view_are_forgotten(
    staff: LiveMatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matching, "_MAX_AGE", 0.0)
    for number in range(20):
        staff.match([seen(number, 1)])
    assert len(staff._known) == 1


def test_another_collection_of_the_same_name_is_not_searched(
    staff: LiveMatcher, database: Database, pack: Pack
) -> None:
    collections.delete(database, "staff")
    with database.transaction() as connection:
        collections.create(connection, "staff", pack.model_version)
    with pytest.raises(CollectionNotFound, match="staff was deleted"):
        staff.match([seen(1, 1)])
