"""Groups of faces have the numbers that a search for the same faces has."""

from __future__ import annotations

import numpy as np
import pytest

from facedex.store import faces, search
from facedex.store.database import Database
from facedex.vision.calibration import Calibration
from facedex.workflows.people import group_faces
from tests.integration.galleries import index, make

# Rates between which one step of half precision is a difference that users see.
CALIBRATION = Calibration([0.5, 1.0], [1e-2, 1e-7])


@pytest.mark.parametrize("degrees", range(0, 60, 7))
def test_the_similarity_of_two_faces_is_that_of_a_search(database: Database, degrees: int) -> None:
    collection = make(database)
    angles = np.radians([degrees, degrees + 40])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    one, other = index(database, "staff", b"photo", vectors)
    with database.reading() as connection:
        probe = faces.vector(connection, collection, one.face_id)
        ((match,),) = search.search(
            connection, collection, [probe], limit=9, min_score=0.5, exclude=one.face_id
        )
    (found,) = group_faces(database, collection, CALIBRATION, 80.0).groups
    assert {face.face_id for face in found.faces} == {one.face_id, other.face_id}
    assert found.similarity == pytest.approx(CALIBRATION.similarity(match.score), abs=1e-4)
