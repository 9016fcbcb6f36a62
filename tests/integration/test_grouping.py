"""Groups of faces have the numbers that a search for the same faces has."""

from __future__ import annotations

import numpy as np
import pytest

from facedex import invocation
from facedex.api.errors import InvalidParameterException
from facedex.store import faces, search
from facedex.store.database import Database
from facedex.vision.calibration import Calibration
from facedex.workflows.people import group_faces
from tests.integration.galleries import index, make, unit_vectors

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


class _Request:
    """The context of an invocation that ends in a minute."""

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


def test_a_request_does_not_read_more_faces_than_it_can_compare(database: Database) -> None:
    collection = make(database)
    index(database, "staff", b"photo", unit_vectors(2))
    with invocation.under(_Request()):
        assert group_faces(database, collection, CALIBRATION, 80.0).compared == 2
    with database.transaction() as connection:
        connection.execute("UPDATE collection_counts SET faces = 1000000")
        connection.execute("ALTER TABLE faces RENAME TO unread")
    refused = pytest.raises(InvalidParameterException, match="1000000 faces, more than")
    with invocation.under(_Request()), refused:
        group_faces(database, collection, CALIBRATION, 80.0)
    with database.transaction() as connection:
        connection.execute("ALTER TABLE unread RENAME TO faces")
    assert group_faces(database, collection, CALIBRATION, 80.0).compared == 2
