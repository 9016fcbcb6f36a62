"""A function that is frozen between its events copies a large gallery into its memory."""

from __future__ import annotations

import json
import time
from typing import Any, Final
from uuid import UUID

import psycopg

from facedex.store import collections, faces
from facedex.store.database import Database
from facedex_models.manifests import DEFAULT, manifest
from tests.bench.galleries import People, add
from tests.packages.deployment import Deployment
from tests.packages.lambda_service import Container

_FACES: Final = 20_000
_EVENTS: Final = 11  # the seventh completes the copy
# Seconds after which a connection is checked before it is used again, and some more.
_UNCHECKED: Final = 0.4


def test_searches_are_answered_from_a_copy_that_was_read_between_freezes(
    deployment: Deployment,
) -> None:
    database = deployment.copy("face", "frozen")
    url, names = deployment.url(database), deployment.reach("face").names
    event = deployment.event("search_faces_by_image", names)
    add(url, "staff", iter([People(manifest(DEFAULT).dimension).draw(_FACES)]))
    with deployment.container("search_faces_by_image", database) as plain:
        expected = _matches(plain, event)
    assert [each["Face"]["ExternalImageId"] for each in expected] == ["eileen"]
    with deployment.container(
        "search_faces_by_image", database, FACEDEX_GALLERY_MEMORY="64"
    ) as function:
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
            _delete(url, expected[0]["Face"]["FaceId"])
        assert _matches(function, event) == []
        with function.frozen():
            assert _last_statement(url) == "copy"


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
    query = rows[-1][0]
    return "copy" if "gallery_changes" in query and "halfvec[]" not in query else "sql"


def _end_connections(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as administrator:
        administrator.execute(
            "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )


def _delete(url: str, face_id: str) -> None:
    database = Database(url)
    with database.transaction() as connection:
        collection = collections.find(connection, "staff")
        faces.delete(connection, collection, [UUID(face_id)])
    database.close()
