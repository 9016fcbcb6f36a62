"""A collection that is deleted or created again while a photo is processed."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facedex.api.arns import Owner
from facedex.runtime import model_packs, services
from facedex.runtime.services import Services
from facedex.store import adding, collections, faces
from facedex.store.collections import Collection, find_recent
from facedex.store.database import Connection, Database
from facedex.store.search import Match, search
from facedex.store.store_errors import CollectionNotFound, ModelMismatch
from facedex.store.ttl_cache import TTLCache
from facedex.workflows.current_collection import search_current
from facedex_functions.index_faces.handler import index_faces
from facedex_functions.search_faces_by_image.handler import (
    search_all_faces_by_image,
    search_faces_by_image,
)
from facedex_functions.search_users_by_image.handler import search_users_by_image
from tests.integration.galleries import while_looking

MODEL, OTHER = "test-1", "other-2"
PROBE = np.eye(128, dtype=np.float32)[0]
OPERATIONS = (
    index_faces,
    search_faces_by_image,
    search_all_faces_by_image,
    search_users_by_image,
)


def make(database: Database, model: str = MODEL) -> Collection:
    with database.transaction() as connection:
        return collections.create(connection, "staff", model)


def index(database: Database, external: str) -> None:
    with database.transaction() as connection:
        collection = collections.find(connection, "staff", for_update=True)
        adding.add(
            connection,
            collection,
            adding.NewImage(
                model_version=collection.model_version,
                digest=sha256(external.encode()).digest(),
                external_image_id=external,
                faces=[adding.NewFace((0.1, 0.1, 0.2, 0.2), 99.5, PROBE)],
            ),
        )


def upgrade(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute("UPDATE collections SET model_version = %s", (OTHER,))


def find(
    database: Database, seen: Collection, probe: np.ndarray[Any, Any] | None = PROBE
) -> tuple[Collection, list[str | None]]:
    """Search with a probe or none; return the best match and the searched collection."""
    probes = [] if probe is None else [probe]
    searched: list[Collection] = []

    def look(connection: Connection, collection: Collection) -> list[list[Match]]:
        searched.append(collection)
        return search(connection, collection, probes, limit=9, min_score=0.9)

    found = search_current(database, seen, look)
    return searched[-1], [match.face.external_image_id for each in found for match in each]


@pytest.fixture
def elsewhere(database_url: str) -> Iterator[Database]:
    """Return the database as used by another process."""
    other = Database(database_url)
    yield other
    other.close()


def test_find_recent_remembers_a_collection_for_a_moment(
    database: Database, elsewhere: Database
) -> None:
    now = 1000.0
    kept: TTLCache[Collection] = TTLCache(seconds=collections._FRESH, limit=9, clock=lambda: now)
    collections._RECENT[database] = kept
    made = make(database)
    assert find_recent(database, "staff") == made
    collections.delete(elsewhere, "staff")
    now += collections._FRESH - 0.1
    assert find_recent(database, "staff") == made
    now += 0.2
    with pytest.raises(CollectionNotFound, match="staff does not exist"):
        find_recent(database, "staff")


def test_find_recent_does_not_remember_a_missing_collection(
    database: Database, elsewhere: Database
) -> None:
    with pytest.raises(CollectionNotFound):
        find_recent(database, "staff")
    made = make(elsewhere)
    assert find_recent(database, "staff") == made


def test_a_process_that_deletes_a_collection_forgets_it_at_once(database: Database) -> None:
    make(database)
    find_recent(database, "staff")
    collections.delete(database, "staff")
    with pytest.raises(CollectionNotFound):
        find_recent(database, "staff")


def test_find_recent_reads_the_database_after_a_model_mismatch(
    database: Database, elsewhere: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collections, "_FRESH", 3600.0)
    seen = make(database)
    index(database, "ann")
    assert find_recent(database, "staff") == seen
    upgrade(elsewhere)
    assert find_recent(database, "staff") == seen
    with pytest.raises(ModelMismatch):
        find(database, seen)
    assert find_recent(database, "staff").model_version == OTHER


@pytest.mark.parametrize("probe", [PROBE, -PROBE, PROBE[:64], None])
def test_a_probe_never_meets_vectors_of_another_model(
    database: Database, elsewhere: Database, probe: np.ndarray[Any, Any] | None
) -> None:
    seen = make(database)
    index(database, "ann")
    upgrade(elsewhere)
    with pytest.raises(ModelMismatch):
        find(database, seen, probe)


def test_faces_of_the_previous_model_are_not_stored_after_an_upgrade(
    database: Database, elsewhere: Database
) -> None:
    seen = make(database)
    upgrade(elsewhere)
    image = adding.NewImage(MODEL, b"x", None, [adding.NewFace((0.1, 0.1, 0.2, 0.2), 99.5, PROBE)])
    with database.autocommit() as connection:
        assert adding.add_new(connection, seen, image) == []
    with database.transaction() as connection, pytest.raises(ModelMismatch):
        adding.add(connection, collections.find(connection, "staff", for_update=True), image)


@pytest.mark.parametrize("probe", [PROBE, -PROBE, None], ids=["match", "no match", "no face"])
def test_a_search_in_a_collection_deleted_in_the_meantime_is_refused(
    database: Database, elsewhere: Database, probe: np.ndarray[Any, Any] | None
) -> None:
    seen = make(database)
    index(database, "ann")
    collections.delete(elsewhere, "staff")
    with pytest.raises(CollectionNotFound, match="staff does not exist"):
        find(database, seen, probe)


def test_the_faces_of_a_deleted_collection_are_not_found_before_they_are_removed(
    database: Database,
) -> None:
    seen = make(database)
    index(database, "ann")
    with database.transaction() as connection:
        # At the start of the deletion, and where it was interrupted.
        connection.execute("UPDATE collections SET deleted_at = now()")
    with pytest.raises(CollectionNotFound):
        find(database, seen)


def test_a_search_uses_the_collection_that_currently_has_the_name(
    database: Database, elsewhere: Database
) -> None:
    seen = make(database)
    index(database, "ann")
    collections.delete(elsewhere, "staff")
    anew = make(elsewhere)
    assert find(database, seen) == (anew, [])
    index(elsewhere, "ben")
    assert find(database, seen) == (anew, ["ben"])


def test_a_search_in_a_recreated_collection_with_another_model_is_refused(
    database: Database, elsewhere: Database
) -> None:
    seen = make(database)
    collections.delete(elsewhere, "staff")
    make(elsewhere, OTHER)
    with pytest.raises(ModelMismatch):
        find(database, seen)


def test_a_search_without_matches_returns_its_collection(
    database: Database,
) -> None:
    seen = make(database)
    assert find(database, seen) == (seen, [])
    index(database, "ann")
    assert find(database, seen, -PROBE) == (seen, [])
    assert find(database, seen, None) == (seen, [])


def test_each_probe_has_its_matches_where_others_have_none(database: Database) -> None:
    seen = make(database)
    index(database, "ann")
    with database.reading() as connection:
        found = search(connection, seen, [-PROBE, PROBE, -PROBE], limit=9, min_score=0.9)
    assert [len(each) for each in found] == [0, 1, 0]


@pytest.mark.parametrize("operate", OPERATIONS)
@pytest.mark.usefixtures("service")
def test_a_photo_is_refused_if_its_collection_is_deleted_during_analysis(
    operate: Callable[..., Any],
    elsewhere: Database,
    portraits: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    while_looking(monkeypatch, lambda: collections.delete(elsewhere, "staff"))
    with pytest.raises(CollectionNotFound, match="staff does not exist"):
        operate(_request(portraits), _services())


@pytest.mark.parametrize("operate", [index_faces, search_all_faces_by_image, search_users_by_image])
@pytest.mark.usefixtures("service")
def test_a_photo_without_a_face_is_refused_when_the_collection_is_deleted_in_the_meantime(
    operate: Callable[..., Any], elsewhere: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (200, 200), "grey").save(buffer, "PNG")
    while_looking(monkeypatch, lambda: collections.delete(elsewhere, "staff"))
    with pytest.raises(CollectionNotFound, match="staff does not exist"):
        operate(_request({"eileen": buffer.getvalue()}), _services())


@pytest.mark.usefixtures("service")
def test_a_photo_uses_the_collection_that_has_the_name_after_analysis(
    elsewhere: Database, portraits: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def make_anew() -> None:
        collections.delete(elsewhere, "staff")
        make(elsewhere, model_packs.pack().model_version)

    index_faces(_request(portraits), _services())
    while_looking(monkeypatch, make_anew)
    assert search_faces_by_image(_request(portraits), _services())["FaceMatches"] == []
    (first,) = index_faces(_request(portraits), _services())["FaceRecords"]
    with services.database().reading() as connection:
        found = faces.page(connection, collections.find(connection, "staff"), after=None, limit=9)
    assert [face.face_id for face in found] == [first["Face"]["FaceId"]]


def _request(portraits: dict[str, bytes]) -> dict[str, Any]:
    return {"CollectionId": "staff", "Image": {"Bytes": portraits["eileen"]}}


def _services() -> Services:
    return Services(Owner("123456789012", "us-east-1"))
