from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from random import Random
from threading import Barrier
from uuid import UUID, uuid4

import numpy as np
import pytest
from numpy.typing import NDArray

from facedex.store import adding, associations, collections, counting, faces, tags, users
from facedex.store.collections import Collection
from facedex.store.database import Database
from facedex.store.requests import once
from facedex.store.search import search_users
from facedex.store.store_errors import (
    CollectionNotFound,
    RequestMismatch,
    TooManyFaces,
    TooManyTags,
    UserExists,
    UserNotFound,
)

MODEL = "test-1"


@pytest.fixture
def collection(database: Database) -> Collection:
    with database.transaction() as connection:
        return collections.create(connection, "staff", MODEL)


def place(number: int) -> faces.Box:
    """Return a different position in the picture for each face."""
    return (number % 20 / 20, number // 20 / 20, 0.04, 0.04)


def index(database: Database, count: int, seed: int = 1) -> tuple[list[UUID], NDArray[np.float32]]:
    drawn = np.random.default_rng(seed).standard_normal((count, 32)).astype(np.float32)
    vectors = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    with database.transaction() as connection:
        stored = adding.add(
            connection,
            collections.find(connection, "staff", for_update=True),
            adding.NewImage(
                model_version=MODEL,
                digest=sha256(str(seed).encode()).digest(),
                external_image_id=None,
                faces=[
                    adding.NewFace(place(number), 99.5, vector)
                    for number, vector in enumerate(vectors)
                ],
            ),
        )
    return [face.face_id for face in stored], vectors


def make(database: Database, collection: Collection, *names: str) -> None:
    with database.transaction() as connection:
        for name in names:
            users.create(connection, collection, name)


def associate(
    database: Database, collection: Collection, name: str, ids: list[UUID], lowest: float = -1.0
) -> associations.Association:
    with database.transaction() as connection:
        return associations.associate(connection, collection, name, ids, min_score=lowest)


def stored_vector(
    database: Database, collection: Collection, name: str
) -> NDArray[np.float32] | None:
    with database.transaction() as connection:
        return users.vector(connection, collection, name)


def mean(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    total: NDArray[np.float32] = vectors.mean(axis=0)
    unit: NDArray[np.float32] = total / np.linalg.norm(total)
    return unit


def test_a_user_is_made_once_and_counted(database: Database, collection: Collection) -> None:
    make(database, collection, "ann", "ben")
    with pytest.raises(UserExists, match="ann"):
        make(database, collection, "ann")
    with database.transaction() as connection:
        assert counting.count(connection, collection) == (0, 2)
        users.delete(connection, collection, "ann")
    with database.transaction() as connection:
        assert counting.count(connection, collection) == (0, 1)
        with pytest.raises(UserNotFound):
            users.delete(connection, collection, "ann")


def test_the_vector_of_a_user_is_the_normalised_mean_of_its_faces(
    database: Database, collection: Collection
) -> None:
    make(database, collection, "ann")
    ids, vectors = index(database, 5)
    assert stored_vector(database, collection, "ann") is None
    assert associate(database, collection, "ann", ids[:4]).associated == ids[:4]
    assert stored_vector(database, collection, "ann") == pytest.approx(mean(vectors[:4]), abs=2e-3)
    with database.transaction() as connection:
        outcome = associations.disassociate(connection, collection, "ann", ids[1:3])
    assert outcome.disassociated == ids[1:3]
    left = mean(vectors[[0, 3]])
    assert stored_vector(database, collection, "ann") == pytest.approx(left, abs=2e-3)
    with database.transaction() as connection:
        associations.disassociate(connection, collection, "ann", [ids[0], ids[3]])
        assert users.find(connection, collection, "ann") == users.User("ann", has_faces=False)


def test_each_face_that_cannot_be_associated_has_its_reason(
    database: Database, collection: Collection
) -> None:
    make(database, collection, "ann", "ben")
    ids, vectors = index(database, 4)
    associate(database, collection, "ben", ids[:1])
    associate(database, collection, "ann", ids[1:2])
    unknown = uuid4()
    outcome = associate(database, collection, "ann", [ids[0], ids[1], ids[2], unknown], lowest=0.99)
    assert outcome.associated == []
    assert outcome.taken == {ids[0]: "ben"}
    assert outcome.missing == [unknown]
    assert list(outcome.unlike) == [ids[2]]
    assert outcome.unlike[ids[2]] == pytest.approx(float(vectors[2] @ vectors[1]), abs=2e-3)


def test_a_user_has_at_most_a_hundred_faces(database: Database, collection: Collection) -> None:
    make(database, collection, "ann")
    ids, _ = index(database, 130)
    associate(database, collection, "ann", ids[:90])
    outcome = associate(database, collection, "ann", ids[90:])
    assert outcome.associated == ids[90:100]
    assert outcome.surplus == ids[100:]
    with pytest.raises(TooManyFaces, match="100 faces"):
        associate(database, collection, "ann", ids[100:101])
    # Faces that the user already has do not count.
    assert associate(database, collection, "ann", ids[:5]).associated == []


def test_faces_of_a_deleted_user_can_be_associated_again(
    database: Database, collection: Collection
) -> None:
    make(database, collection, "ann", "ben")
    ids, _ = index(database, 2)
    associate(database, collection, "ann", ids)
    with database.transaction() as connection:
        users.delete(connection, collection, "ann")
    assert associate(database, collection, "ben", ids).associated == ids


def test_a_face_of_a_user_is_not_deleted(database: Database, collection: Collection) -> None:
    make(database, collection, "ann")
    ids, _ = index(database, 2)
    associate(database, collection, "ann", ids[:1])
    with database.transaction() as connection:
        assert faces.delete(connection, collection, ids) == {ids[1]}
        assert faces.users_of(connection, collection, ids) == {ids[0]: "ann"}


def test_users_are_searched_as_the_inner_product_ranks_them(
    database: Database, collection: Collection
) -> None:
    ids, vectors = index(database, 20)
    names = [f"user-{number:02}" for number in range(20)]
    make(database, collection, *names, "nobody")
    for name, face_id in zip(names, ids, strict=True):
        associate(database, collection, name, [face_id])
    with database.transaction() as connection:
        found = search_users(
            connection, collection, vectors[3], limit=5, min_score=-1.0, exclude=names[3]
        )
    ranked = np.argsort(-(vectors @ vectors[3]))[1:6]
    assert [match.user_id for match in found] == [names[number] for number in ranked]


def test_deleting_a_collection_removes_its_users_tags_and_tokens(
    database: Database, collection: Collection
) -> None:
    make(database, collection, "ann")
    ids, _ = index(database, 2)
    associate(database, collection, "ann", ids)
    with database.transaction() as connection:
        tags.put(connection, collection, {"team": "flight"})
        once(connection, collection, "CreateUser", "token", {}, dict)
    collections.delete(database, "staff")
    with database.transaction() as connection:
        for table in ("faces", "users", "tags", "client_requests", "collections"):
            assert connection.execute(f"SELECT 1 FROM {table}").fetchall() == []


def test_tags_are_put_replaced_removed_and_limited(
    database: Database, collection: Collection
) -> None:
    with database.transaction() as connection:
        tags.put(connection, collection, {"team": "flight", "site": "north"})
        tags.put(connection, collection, {"team": "ground"})
        tags.remove(connection, collection, ["site", "unknown"])
        assert tags.read(connection, collection) == {"team": "ground"}
    with pytest.raises(TooManyTags), database.transaction() as connection:
        tags.put(connection, collection, {str(number): "" for number in range(50)})
    with database.transaction() as connection:
        assert tags.read(connection, collection) == {"team": "ground"}


def test_a_request_with_a_token_is_done_once_and_answered_the_same(
    database: Database, collection: Collection
) -> None:
    done: list[int] = []

    def act() -> dict[str, object]:
        done.append(1)
        return {"FaceId": uuid4()}

    answers = []
    for _ in range(3):
        with database.transaction() as connection:
            answers.append(once(connection, collection, "Op", "token", {"a": 1}, act))
    assert len(done) == 1
    assert {str(answer["FaceId"]) for answer in answers} == {str(answers[0]["FaceId"])}
    with database.transaction() as connection, pytest.raises(RequestMismatch):
        once(connection, collection, "Op", "token", {"a": 2}, act)
    with database.transaction() as connection:
        once(connection, collection, "Other", "token", {"a": 2}, act)
    assert len(done) == 2


def test_a_failed_request_does_not_use_up_its_token(
    database: Database, collection: Collection
) -> None:
    def fail() -> dict[str, object]:
        raise UserNotFound

    with pytest.raises(UserNotFound), database.transaction() as connection:
        once(connection, collection, "Op", "token", {}, fail)
    with database.transaction() as connection:
        assert once(connection, collection, "Op", "token", {}, lambda: {"x": 1}) == {"x": 1}


def test_concurrent_requests_with_one_token_are_done_once(
    database: Database, collection: Collection
) -> None:
    done: list[int] = []
    start = Barrier(8)

    def act() -> dict[str, object]:
        done.append(1)
        return {"x": 1}

    def twin(_: int) -> dict[str, object]:
        start.wait()
        with database.transaction() as connection:
            return once(connection, collection, "Op", "token", {}, act)

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(twin, range(8))) == [{"x": 1}] * 8
    assert len(done) == 1


def test_no_stored_response_names_a_deleted_user(
    database: Database, collection: Collection
) -> None:
    make(database, collection, "ann", "bob")
    reasons = ["ASSOCIATED_TO_A_DIFFERENT_USER"]
    others = [{"FaceId": "3", "UserId": "bob", "Reasons": reasons}]
    failed = [{"FaceId": "2", "UserId": "ann", "Reasons": reasons}, *others]
    response = {"UnsuccessfulFaceAssociations": failed, "UserStatus": "ACTIVE"}

    def repeat(token: str = "new") -> dict[str, object]:
        with database.transaction() as connection:
            return once(connection, collection, "AssociateFaces", token, {}, lambda: response)

    assert repeat() == response == repeat() == repeat("expired")
    with database.transaction() as connection:
        connection.execute(
            "UPDATE client_requests SET created_at = now() - interval '25 hours'"
            " WHERE token = 'expired'"
        )
    with database.transaction() as connection:
        users.delete(connection, collection, "ann")
    with database.transaction() as connection:
        (row,) = connection.execute("SELECT response::text AS text FROM client_requests")
    assert "ann" not in row.text
    unnamed = [{"FaceId": "2", "Reasons": reasons}, *others]
    assert repeat() == {**response, "UnsuccessfulFaceAssociations": unnamed}


def test_every_vector_is_right_after_a_storm(database: Database, collection: Collection) -> None:
    """Associate, disassociate, delete users and faces, and search, all concurrently."""
    names = [f"user-{number}" for number in range(4)]
    make(database, collection, *names)
    ids, vectors = index(database, 60)
    by_id = dict(zip(ids, vectors, strict=True))

    def storm(seed: int) -> None:
        random = Random(seed)
        for _ in range(40):
            name, some = random.choice(names), random.sample(ids, 6)
            try:
                with database.transaction() as connection:
                    held = collections.find(connection, "staff", for_update=True)
                    match random.randrange(5):
                        case 0 | 1:
                            associations.associate(connection, held, name, some, min_score=-1.0)
                        case 2:
                            associations.disassociate(connection, held, name, some)
                        case 3:
                            faces.delete(connection, held, some[:1])
                        case _:
                            users.delete(connection, held, name)
                            users.create(connection, held, name)
                with database.transaction() as connection:
                    search_users(connection, held, vectors[0], limit=9, min_score=-1.0)
            except (UserNotFound, UserExists, CollectionNotFound):
                continue

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(storm, range(8)))

    with database.transaction() as connection:
        # At the end of the storm, faces may have no user.
        held = collections.find(connection, "staff", for_update=True)
        free = connection.execute("SELECT face_id FROM faces WHERE user_id IS NULL").fetchall()
        associations.associate(
            connection, held, names[0], [row.face_id for row in free[:6]], min_score=-1.0
        )
        rows = connection.execute("SELECT face_id, user_id FROM faces").fetchall()
        assert counting.count(connection, collection) == (len(rows), len(names))
        assert 0 < len(rows) < 60
        assert any(row.user_id for row in rows)
        for name in names:
            own = [by_id[row.face_id] for row in rows if row.user_id == name]
            vector = users.vector(connection, collection, name)
            if own:
                assert vector == pytest.approx(mean(np.array(own)), abs=2e-3)
            else:
                assert vector is None
