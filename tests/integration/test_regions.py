"""Collections, stream processors and jobs of two regions on one database."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facedex import settings
from facedex.runtime import services
from facedex.store import (
    adding,
    collections,
    job_starts,
    jobs,
    schema,
    search,
    stream_processors,
    upgrades,
)
from facedex.store.database import Database
from facedex.store.jobs import Gallery, Order, VideoObject
from facedex.store.store_errors import (
    CollectionExists,
    CollectionNotFound,
    JobNotFound,
    StreamProcessorInUse,
    StreamProcessorNotFound,
)
from facedex.store.stream_processors import Definition
from facedex.vision import packs
from facedex.workflows.current_collection import find_kept
from facedex.workflows.matching import Matcher
from facedex_functions.front_door.handler import lambda_handler
from facedex_local.http.gateway import Context
from tests.integration.streaming import Configure

MODEL = "7.1"
EVENT = json.loads((Path(__file__).parents[2] / "events" / "front_door.json").read_text())
LAST = "0010"  # the last migration of the release before regions


def unit(number: int) -> Any:
    vector = np.zeros(256, np.float32)
    vector[number] = 1
    return vector


def put(database: Database, name: str, number: int, model: str = MODEL) -> None:
    image = adding.NewImage(
        model_version=model,
        digest=sha256(b"the same photo").digest(),
        external_image_id=name,
        faces=[adding.NewFace((0.1, 0.1, 0.2, 0.2), 99.5, unit(number))],
    )
    with database.transaction() as connection:
        adding.add(connection, collections.find(connection, "staff", for_update=True), image)


@pytest.fixture
def west(database: Database) -> Database:
    """Return another region of the database; both have a collection "staff" of one face."""
    other = database.in_region("us-west-2")
    for each, name, number in ((database, "eileen", 0), (other, "grace", 1)):
        with each.transaction() as connection:
            collections.create(connection, "staff", MODEL)
        put(each, name, number)
    return other


def found(database: Database, number: int) -> list[str | None]:
    with database.reading() as connection:
        collection = collections.find(connection, "staff")
        (matches,) = search.search(connection, collection, [unit(number)], limit=9, min_score=0.5)
    return [match.face.external_image_id for match in matches]


def test_searches_see_the_faces_of_their_region_only(database: Database, west: Database) -> None:
    assert (found(database, 0), found(database, 1)) == (["eileen"], [])
    assert (found(west, 0), found(west, 1)) == ([], ["grace"])
    collections.delete(database, "staff")
    assert found(west, 1) == ["grace"]
    with database.reading() as connection, pytest.raises(CollectionNotFound):
        collections.find(connection, "staff")


def test_recently_read_collections_are_cached_by_region(database: Database, west: Database) -> None:
    first = collections.find_recent(database, "staff")
    assert collections.find_recent(west, "staff").key != first.key
    again = database.in_region("us-west-2")
    assert collections.find_recent(again, "staff").key != first.key
    with pytest.raises(CollectionNotFound):
        collections.find_recent(database.in_region("eu-west-1"), "staff")


def test_a_worker_of_one_region_searches_the_collection_of_the_job(
    database: Database, west: Database, pack_directory: Path
) -> None:
    """A worker finds the collection by its key, whatever region its process is configured for."""
    pack = packs.load(pack_directory, threads=1)
    collections.delete(west, "staff")
    with west.transaction() as connection:
        key = collections.create(connection, "staff", pack.model_version).key
    image = adding.NewImage(
        model_version=pack.model_version,
        digest=sha256(b"photo").digest(),
        external_image_id="grace",
        faces=[adding.NewFace((0.1, 0.1, 0.2, 0.2), 99.5, unit(1))],
    )
    with west.transaction() as connection:
        adding.add(connection, collections.find(connection, "staff", for_update=True), image)
    matcher = Matcher(database, Gallery(key, "staff", 80.0), pack)
    (one, none) = matcher.match([unit(1), unit(0)])
    assert [match.face.external_image_id for match in one] == ["grace"]
    assert none == []
    with database.reading() as connection:
        assert find_kept(connection, "staff", key, "").key == key
    collections.delete(west, "staff")
    with pytest.raises(CollectionNotFound):
        matcher.match([unit(1)])


def test_a_name_is_taken_in_its_region_only(database: Database, west: Database) -> None:
    for each in (database, west):
        with each.transaction() as connection, pytest.raises(CollectionExists):
            collections.create(connection, "staff", MODEL)
    with database.in_region("eu-west-1").transaction() as connection:
        collections.create(connection, "staff", MODEL)


def test_lists_and_counts_are_those_of_a_region(database: Database, west: Database) -> None:
    with database.transaction() as connection:
        collections.create(connection, "visitors", MODEL)
    with database.reading() as connection:
        (staff, visitors) = collections.page(connection, after=0, limit=9)
        assert (staff.collection_id, visitors.collection_id) == ("staff", "visitors")
        assert [each.collection.key for each in upgrades.overview(connection)] == [
            staff.key,
            visitors.key,
        ]
        assert collections.count_by_region(connection) == {"us-west-2": 1}
    with west.reading() as connection:
        assert len(collections.page(connection, after=0, limit=9)) == 1
        assert collections.count_by_region(connection) == {"us-east-1": 2}


def test_stream_processors_are_those_of_a_region(database: Database, west: Database) -> None:
    def create(region: Database) -> stream_processors.StreamProcessor:
        with region.transaction() as connection:
            collection = collections.find(connection, "staff", for_update=True)
            definition = Definition("door", "v", "d", "r", collection.key, "staff", 80.0, None)
            return stream_processors.create(connection, definition, limit=9)

    first = create(database)
    with west.reading() as connection:
        assert stream_processors.page(connection, after=0, limit=9) == []
        with pytest.raises(StreamProcessorNotFound):
            stream_processors.find(connection, "door")
    second = create(west)
    assert second.key != first.key
    assert second.definition.collection_key != first.definition.collection_key
    with pytest.raises(StreamProcessorInUse):
        create(west)


def test_jobs_and_their_tokens_are_those_of_a_region(database: Database, west: Database) -> None:
    order = Order(
        "StartFaceDetection", VideoObject("films", "a.mp4", None, "e", 9), None, MODEL, None, None
    )

    def start(region: Database) -> str:
        with region.transaction() as connection:
            return job_starts.start(connection, order, token="t", request={}, limit=9, days=1)

    first, second = start(database), start(west)
    assert first != second
    assert (start(database), start(west)) == (first, second)
    with west.reading() as connection:
        assert jobs.find(connection, second, "StartFaceDetection").job_id == second
        with pytest.raises(JobNotFound):
            jobs.find(connection, first, "StartFaceDetection")
        # A worker, which names no operation, finds the jobs of all regions.
        assert jobs.find(connection, first).job_id == first


def test_signing_secret_is_the_same_in_every_region(database: Database, west: Database) -> None:
    assert west.signing_secret == database.signing_secret


@pytest.fixture
def last_release(database_url: str) -> Iterator[Database]:
    """Return a database of the last release without regions, opened in Ireland."""
    database = Database(database_url, region="eu-west-1")
    with database.transaction() as connection:
        schema._applied_names(connection)
        for name, statements in schema._migrations():
            if name[:4] <= LAST:
                connection.execute(statements)
                connection.execute("INSERT INTO schema_migrations (name) VALUES (%s)", (name,))
    yield database
    database.close()


def write_as_last_release(database: Database, name: str, token: str | None) -> int:
    """Execute the statements of the last release that make a collection, a processor and a job."""
    with database.transaction() as connection:
        row = connection.execute(
            "INSERT INTO collections (collection_id, model_version) VALUES (%s, %s)"
            " RETURNING collection_key",
            (name, MODEL),
        ).fetchone()
        assert row is not None
        connection.execute(
            "INSERT INTO stream_processors (name, video_stream_arn, data_stream_arn, role_arn,"
            " collection_key, collection_id, threshold, data_sharing)"
            " VALUES (%s, 'v', 'd', 'r', %s, %s, 80, NULL)",
            (name, row.collection_key, name),
        )
        connection.execute(
            "INSERT INTO video_jobs (job_id, operation, bucket, object_name, object_version, etag,"
            " size, collection_key, collection_id, threshold, model_version, topic_arn, job_tag,"
            " request_token, request_digest, expires_at)"
            " VALUES (%s, 'StartFaceDetection', 'b', 'o', NULL, 'e', 9, NULL, NULL, NULL, %s,"
            " NULL, NULL, %s, %s, now() + interval '1 day')"
            " ON CONFLICT (operation, request_token) WHERE request_token IS NOT NULL DO NOTHING",
            (f"job-{name}", MODEL, token, token and job_starts._digest({})),
        )
        return int(row.collection_key)


def test_data_of_the_last_release_belong_to_the_configured_region(last_release: Database) -> None:
    key = write_as_last_release(last_release, "staff", "token")
    assert schema.migrate(last_release)[0] == "0011_regions.sql"
    put(last_release, "eileen", 0)
    assert found(last_release, 0) == ["eileen"]
    elsewhere = last_release.in_region("us-east-1")
    with last_release.reading() as connection:
        assert collections.find(connection, "staff").key == key
        assert stream_processors.find(connection, "staff").definition.collection_key == key
        assert jobs.find(connection, "job-staff", "StartFaceDetection").job_id == "job-staff"
        # A repeated request whose first one the last release answered.
        assert (
            job_starts.find_repeated(connection, "StartFaceDetection", "token", {}) == "job-staff"
        )
    with elsewhere.reading() as connection:
        assert collections.page(connection, after=0, limit=9) == []
        assert stream_processors.page(connection, after=0, limit=9) == []
        assert job_starts.find_repeated(connection, "StartFaceDetection", "token", {}) is None
        with pytest.raises(JobNotFound):
            jobs.find(connection, "job-staff", "StartFaceDetection")


def test_processes_of_the_last_release_go_on_after_the_migration(last_release: Database) -> None:
    schema.migrate(last_release)
    key = write_as_last_release(last_release, "late", "token")
    with last_release.reading() as connection:
        assert collections.find(connection, "late").key == key
        assert stream_processors.find(connection, "late").definition.collection_key == key
        assert job_starts.find_repeated(connection, "StartFaceDetection", "token", {}) == "job-late"


def test_repeated_migration_keeps_the_region(last_release: Database) -> None:
    write_as_last_release(last_release, "staff", None)
    schema.migrate(last_release)
    assert schema.migrate(last_release.in_region("us-east-1")) == []
    with last_release.reading() as connection:
        collections.find(connection, "staff")


@pytest.fixture
def one_region(
    database_url: str, pack_directory: Path, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Configure a service as deployed: it is in one region."""
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    services._database.cache_clear()
    configure(DATABASE_URL=database_url, AUTH="none", MODELS=pack_directory.parent)
    schema.migrate(services.database())
    yield
    services.database().close()
    services._database.cache_clear()
    settings.settings.cache_clear()


def ask(region: str | None) -> tuple[int, dict[str, Any]]:
    headers = {**EVENT["headers"], "X-Amz-Target": "RekognitionService.ListCollections"}
    headers = {name: value for name, value in headers.items() if name != "Authorization"}
    if region:
        headers["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential=key/20260101/{region}/rekognition/aws4_request,"
            " SignedHeaders=host, Signature=00"
        )
    event = {**EVENT, "headers": headers, "body": "{}"}
    answered = lambda_handler(event, Context("front_door", 29, 1769, "request"))
    return answered["statusCode"], json.loads(answered["body"])


def test_a_deployed_service_refuses_requests_for_another_region(one_region: None) -> None:
    assert ask("eu-central-1")[0] == ask(None)[0] == 200
    status, error = ask("us-east-1")
    assert (status, error["__type"]) == (400, "InvalidSignatureException")
    assert "Credential should be scoped to a valid region, not 'us-east-1'" in error["Message"]
