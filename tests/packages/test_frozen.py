"""A function that is frozen between its events copies a large gallery into its memory."""

from __future__ import annotations

import json
import time
from typing import Any, Final
from uuid import UUID

import numpy as np
import psycopg
import pytest

from facedex.store import collections, faces
from facedex.store.database import Database
from facedex_models.manifests import DEFAULT, manifest
from tests.bench.galleries.filling import add
from tests.bench.galleries.people import People
from tests.packages.deployment import FACE, Deployment
from tests.packages.lambda_service import Container

_FACES: Final = 20_000
_EVENTS: Final = 11  # the seventh completes the copy
# Seconds after which a connection is checked before it is used again, and some more.
_UNCHECKED: Final = 0.4


@pytest.mark.parametrize("name", ["search_faces_by_image", "search_faces"])
def test_searches_are_answered_from_a_copy_that_was_read_between_freezes(
    deployment: Deployment, name: str
) -> None:
    """The second of these functions has no ONNX Runtime."""
    database = deployment.copy("face", f"frozen_{name}")
    url, names = deployment.url(database), deployment.reach("face").names
    event = deployment.event(name, names)
    twin = _add_twin_among_others(url)
    with deployment.container(name, database) as plain:
        expected = _matches(plain, event)
    found = {each["Face"]["FaceId"] for each in expected}
    assert found == {str(twin)} | ({names[FACE]} if "image" in name else set())
    with deployment.container(name, database, FACEDEX_GALLERY_MEMORY="64") as function:
        answered_by = []
        for number in range(_EVENTS):
            assert _matches(function, event) == expected
            with function.frozen():
                answered_by.append(_last_statement(url))
                if number % 2:
                    _end_connections(url)
                    time.sleep(_UNCHECKED)
        assert answered_by[0] == answered_by[1] == "sql"
        assert answered_by[-3:] == ["copy"] * 3, answered_by
        with function.frozen():
            _delete(url, twin)
        assert str(twin) not in [each["Face"]["FaceId"] for each in _matches(function, event)]
        with function.frozen():
            assert _last_statement(url) == "copy"


def _add_twin_among_others(url: str) -> UUID:
    """Add a face with the vector of the one that is there, and those of many other people."""
    with psycopg.connect(url) as connection:
        ((text,),) = connection.execute("SELECT vector::text FROM faces").fetchall()
    twin = np.array(json.loads(text), np.float32)[None]
    others = People(manifest(DEFAULT).dimension).draw(_FACES)
    return add(url, "staff", iter([twin, others]))[0]


def _matches(function: Container, event: dict[str, Any]) -> list[Any]:
    run = function.invoke(event)
    assert run.answer["statusCode"] == 200, run.log
    found: list[Any] = json.loads(run.answer["body"])["FaceMatches"]
    return found


def _last_statement(url: str) -> str:
    """Return what the function's connection did last; nothing is in progress on it."""
    with psycopg.connect(url) as observer:
        rows = observer.execute(
            "SELECT query, state, backend_xmin FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND datname = current_database()"
            " AND backend_type = 'client backend' ORDER BY state_change"
        ).fetchall()
    assert {row[1:] for row in rows} == {("idle", None)}
    return "copy" if "gallery_changes" in rows[-1][0] else "sql"


def _end_connections(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as administrator:
        administrator.execute(
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )


def _delete(url: str, face_id: UUID) -> None:
    database = Database(url)
    with database.transaction() as connection:
        faces.delete(connection, collections.find(connection, "staff"), [face_id])
    database.close()
