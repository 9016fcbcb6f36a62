"""The tables of a Postgres that is distributed by collection, and a use of the whole store."""

from __future__ import annotations

from uuid import UUID, uuid4

import numpy as np
import pytest

from facedex.store import (
    adding,
    associations,
    collections,
    counting,
    distinctions,
    faces,
    figures,
    requests,
    search,
    tags,
    upgrade_switch,
    upgrades,
    users,
)
from facedex.store.collections import Collection
from facedex.store.database import Database
from facedex.store.store_errors import CollectionExists, RequestMismatch
from tests.integration.audit_rows import trail
from tests.integration.galleries import MODEL, index, make, place, unit_vectors

KEY = "collection_key"
# By the collection's key, on one worker each.
DISTRIBUTED = frozenset(
    (
        *("faces", "users", "collection_counts", "tags", "client_requests"),
        *("upgraded_faces", "distinctions"),
    )
)
# A copy on every worker: statements about a collection join it with the distributed tables.
REFERENCE = frozenset(("collections", "upgrades"))
# On the coordinator only.
LOCAL = frozenset(
    (
        *("access_keys", "audit_anchors", "audit_chain", "audit_log", "audit_queue"),
        *("erasures", "gallery_changes", "gallery_log", "schema_migrations", "secrets"),
        *("stream_processors", "stream_processor_tags"),
        *("video_jobs", "video_tasks", "video_tracks", "video_persons", "video_sightings"),
    )
)
# Modules whose statements a distributed Postgres does not run: the copies of galleries need the
# transaction ids of one server (FACEDEX_GALLERY_MEMORY=0), and the bytes of deleted rows are the
# workers' own to erase.
ELSEWHERE = frozenset(("copies", "resident_search", "residents", "erasing", "rewriting"))
VECTORS = unit_vectors(12)


def use_everything(database: Database) -> None:
    """Call each function of the store that has a statement on a distributed table."""
    collection, other = make(database), make(database, "others")
    _use_collections(database, collection)
    _use_faces(database, collection)
    _use_users(database, collection)
    _use_searches(database, collection)
    _use_upgrades(database, collection)
    with database.transaction() as connection:
        figures.export(connection)
        assert figures.tables(connection)
        (found, *_) = figures.searches(connection)
        assert figures.search_again(connection, found) == found
    with database.reading() as connection:
        assert not figures.is_empty(connection)
    collections.delete(database, "staff")
    with database.transaction() as connection:
        connection.execute("UPDATE collections SET deleted_at = now()")
    collections.sweep(database)
    with database.reading() as connection:
        assert collections.find_key(connection, other.key) is None


def _use_collections(database: Database, collection: Collection) -> None:
    with database.transaction() as connection, pytest.raises(CollectionExists):
        collections.create(connection, "staff", MODEL)
    assert collections.find_recent(database, "staff") == collection
    with database.transaction() as connection:
        assert collections.find(connection, "staff", for_update=True) == collection
        collections.require_kept(connection, collection)
        assert collections.page(connection, after=0, limit=9)[0] == collection
        assert collections.count_by_model(connection) == {MODEL: 2}
        assert collections.count_by_region(connection) == {}
        tags.put(connection, collection, {"team": "door", "floor": "1"})
        tags.remove(connection, collection, ["floor"])
        assert tags.read(connection, collection) == {"team": "door"}
    for request in ({}, {}, {"other": 1}):
        with database.transaction() as connection:
            try:
                requests.once(connection, collection, "CreateUser", "token", request, dict)
            except RequestMismatch:
                assert request


def _image(number: int) -> adding.NewImage:
    face = adding.NewFace(place(0), 99.0, VECTORS[number])
    return adding.NewImage(MODEL, bytes([number]), "door", [face])


def _use_faces(database: Database, collection: Collection) -> None:
    with database.autocommit() as connection:
        assert len(adding.add_new(connection, collection, _image(0))) == 1
    with database.recording(trail("of the test")).autocommit() as connection:
        assert len(adding.add_new(connection, collection, _image(1))) == 1
    stored = index(database, "staff", b"a photo", VECTORS[2:8])
    assert index(database, "staff", b"a photo", VECTORS[2:8]) == stored
    with database.transaction() as connection:
        assert adding.count_of_image(connection, collection, bytes([0]), "door") == 1
        assert counting.count(connection, collection) == (8, 0)
        removed, _ = faces.delete_replaced(connection, collection, "door", kept=[bytes([1])])
        assert len(removed) == 1
        ids = [face.face_id for face in faces.page(connection, collection, after=None, limit=99)]
        some = faces.page(
            connection, collection, after=ids[0], limit=1, only=ids, user_id="unknown"
        )
        assert some == []
        assert faces.users_of(connection, collection, ids[:1]) == {ids[0]: None}
        assert len(faces.vector(connection, collection, ids[0])) == VECTORS.shape[1]


def _use_users(database: Database, collection: Collection) -> None:
    with database.transaction() as connection:
        listed = faces.page(connection, collection, after=None, limit=4)
        first, second, third, _ = (face.face_id for face in listed)
        for name in ("ann", "bob"):
            users.create(connection, collection, name)
        distinctions.add(connection, collection, "ann", [first, second])
        associations.associate(connection, collection, "ann", [first, third], min_score=-1)
        associations.disassociate(connection, collection, "ann", [third])
        assert users.find(connection, collection, "ann").has_faces
        assert users.vector(connection, collection, "bob") is None
        assert len(users.page(connection, collection, after=None, limit=9)) == 2
        named = {"UnsuccessfulFaceAssociations": [{"FaceId": str(first), "UserId": "bob"}]}
        requests.once(connection, collection, "AssociateFaces", "token", {}, lambda: named)
        users.delete(connection, collection, "bob")
    assert distinctions.read(database, collection).apart == [(second, "ann")]


def _use_searches(database: Database, collection: Collection) -> None:
    with database.reading() as connection:
        probe = VECTORS[3]
        for exclude in (None, uuid4()):
            (found,) = search.search(
                connection, collection, [probe], limit=3, min_score=0.9, exclude=exclude
            )
            assert len(found) == 1
        assert search.search(connection, collection, [], limit=3, min_score=0.9) == []
        for user in (None, "bob"):
            (match,) = search.search_users(
                connection, collection, probe, limit=3, min_score=-1, exclude=user
            )
            assert match.user_id == "ann"


def _use_upgrades(database: Database, collection: Collection) -> None:
    for model in ("test-2", "test-3"):
        with database.transaction() as connection:
            upgrades.begin(connection, collection, model)
            assert upgrades.overview(connection)
    with database.transaction() as connection:
        assert upgrades.give_up(connection, collection)
        upgrades.begin(connection, collection, "test-3")
        current = collections.find(connection, "staff")
        ids: dict[UUID, np.ndarray] = {
            face.face_id: VECTORS[0] for face in upgrades.pending_faces(connection, current)
        }
        upgrades.add_vectors(connection, current, "test-3", dict(list(ids.items())[1:]))
    (image, *_) = upgrades.images(database, current)
    with database.transaction() as connection:
        upgrades.pending_faces(connection, current, image.image_id)
        switch = ("team", "door")
        left = upgrade_switch.switch(connection, current, "test-3", pack=switch)
        without = [face.face_id for face in left]
        assert (
            upgrade_switch.switch(connection, current, "test-3", pack=switch, without=without) == []
        )
