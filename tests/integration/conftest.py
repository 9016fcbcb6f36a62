"""A real Postgres with a new database for each test, and a server for stream workers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
import pytest

from facedex import settings
from facedex.aws import clients
from facedex.runtime import model_packs, services
from facedex.store import schema
from facedex.store.continuous import ContinuousResidents
from facedex.store.database import Database
from facedex.workflows import heartbeat
from facedex_functions.run_stream_processor import handler as run_stream_processor
from facedex_local.postgres.cluster import Postgres
from facedex_local.workers.queues import STREAMS
from tests.e2e.streaming import Scene
from tests.integration.databases import new_database
from tests.integration.streaming import LEASE, SECONDS, Configure, Stage, end
from tests.media.kinesis import numbered_film

if TYPE_CHECKING:
    from tests.integration.observing import Observed


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    server = Postgres(tmp_path_factory.mktemp("store"))
    server.start()
    # To wait for the disk proves nothing here: a killed process loses nothing without it either.
    # Removing a database waits longest.
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
    yield server
    server.stop()


@pytest.fixture
def database_url(postgres: Postgres) -> Iterator[str]:
    with new_database(postgres) as url:
        yield url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    schema.migrate(database)
    yield database
    database.close()


@pytest.fixture
def resident_database(database_url: str, database: Database) -> Iterator[Database]:
    """Return a second process's view of the database: it has copies, the first has none."""
    other = Database(database_url)
    other.residents = ContinuousResidents(other, 64 << 20, smallest=10)
    yield other
    other.close()


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.close()


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch) -> Configure:
    """Return a function that changes settings of the service."""

    def configure(**chosen: object) -> None:
        for name, value in chosen.items():
            monkeypatch.setenv(f"FACEDEX_{name}", str(value))
        settings.settings.cache_clear()

    return configure


@pytest.fixture
def service(
    stage: Stage,
    database_url: str,
    pack_directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    configure: Configure,
) -> Iterator[None]:
    """Return the service with a collection "staff", for handlers in this process."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "us-east-1")
    for name in ("SQS", "KINESIS", "KINESIS_VIDEO"):
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{name}", stage.url)
    queue = stage.client("sqs").create_queue(QueueName=f"{STREAMS.name}-{uuid4().hex}")
    configure(
        DATABASE_URL=database_url,
        AUTH="none",
        MODELS=pack_directory.parent,
        STREAM_QUEUE=queue["QueueUrl"],
    )
    # No sweep starts a successor here when a worker has lost its lease.
    for module in (heartbeat, run_stream_processor):
        monkeypatch.setattr(module, "STREAM_LEASE_SECONDS", LEASE)
    made: tuple[Any, ...] = (services._database, model_packs._shelf, clients.queues)
    for each in made:
        each.cache_clear()
    schema.migrate(services.database())
    stage.client("rekognition").create_collection(CollectionId="staff")
    yield
    stage.faults.throttle = stage.faults.refuse = 0
    stage.faults.media = b""
    stage.ahead = 0.0
    services.database().close()
    for each in (*made, settings.settings):
        each.cache_clear()


@pytest.fixture(scope="session")
def film() -> bytes:
    """Return three seconds of film without people, with ten frames and a key frame in each."""
    return numbered_film(10 * SECONDS)


@pytest.fixture
def scene(stage: Stage, service: None) -> Iterator[Scene]:
    made = Scene(stage, "staff")
    made.start()
    yield made
    end(made)


@pytest.fixture(scope="session")
def observed(tmp_path_factory: pytest.TempPathFactory, pack_directory: Path) -> Iterator[Observed]:
    """Return a server with two processes and access keys, whose traces are received."""
    # Imported here, as the other tests of this folder need neither parsers nor a receiver.
    from tests.conftest import Server
    from tests.e2e.keys import create_key
    from tests.integration.observing import Observed, Receiver, token_file

    directory = tmp_path_factory.mktemp("observed") / "data"
    key = create_key(directory)
    receiver = Receiver()
    server = Server(
        directory,
        "--port=0",
        "--auth=keys",
        "--processes=2",
        FACEDEX_MODELS=str(pack_directory.parent),
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
        OTEL_BSP_SCHEDULE_DELAY="200",
    )
    yield Observed(server, key, receiver, token_file(server).read_text().strip())
    assert server.stop() == 0
    receiver.close()
